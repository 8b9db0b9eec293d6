// A client of a log by somebody else: golang.org/x/mod/sumdb, as Go's checksum database is read.
//
//	client URL LOG-VKEY WITNESS-VKEY OLD-CHECKPOINT-FILE
//
// Opens the checkpoint at URL, reads tiles and entry bundles (C2SP tlog-tiles) over HTTP, checks
// every entry's inclusion, that the old checkpoint is a prefix, and the witness's cosignature.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// log reads tiles below a URL. tlog's paths are tile/8/L/N, those of tlog-tiles tile/L/N.
type log string

var cache = map[string][]byte{}

func (url log) get(path string) []byte {
	if cache[path] == nil {
		response, err := http.Get(string(url) + path)
		check(err)
		defer response.Body.Close()
		cache[path], err = io.ReadAll(response.Body)
		check(err)
		if response.StatusCode != 200 {
			check(fmt.Errorf("%s: %s", path, response.Status))
		}
	}
	return cache[path]
}

func (url log) Height() int { return 8 }

func (url log) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		data = append(data, url.get("/"+strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
	}
	return data, nil
}

func (url log) SaveTiles([]tlog.Tile, [][]byte) {}

func (url log) entries(tree tlog.Tree) (entries [][]byte) {
	for n := int64(0); n*256 < tree.N; n++ {
		tile := tlog.Tile{H: 8, L: 0, N: n, W: 256}
		if rest := tree.N - n*256; rest < 256 {
			tile.W = int(rest)
		}
		data := url.get("/" + strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1))
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			entries, data = append(entries, data[2:end]), data[end:]
		}
	}
	return entries
}

// witness verifies cosignatures (C2SP tlog-cosignature), which x/mod does not know.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newWitness(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return witness{parts[0], binary.BigEndian.Uint32(id[:]), key[1:]}
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(text, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), text)
	return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func open(data []byte, signers int, verifiers ...note.Verifier) (tree tlog.Tree) {
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	check(err)
	if len(opened.Sigs) != signers {
		check(fmt.Errorf("signed by %d, not %d", len(opened.Sigs), signers))
	}
	lines := strings.Split(opened.Text, "\n")
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	check(err)
	tree.Hash, err = tlog.ParseHash(lines[2])
	check(err)
	return tree
}

func main() {
	url := log(os.Args[1])
	signer, err := note.NewVerifier(os.Args[2])
	check(err)
	first, err := os.ReadFile(os.Args[4])
	check(err)
	old := open(first, 1, signer)
	tree := open(url.get("/checkpoint"), 2, signer, newWitness(os.Args[3]))
	hashes := tlog.TileHashReader(tree, url)
	consistency, err := tlog.ProveTree(tree.N, old.N, hashes)
	check(err)
	check(tlog.CheckTree(consistency, tree.N, tree.Hash, old.N, old.Hash))
	entries := url.entries(tree)
	for n, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(n), hashes)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, int64(n), tlog.RecordHash(entry)))
	}
	if int64(len(entries)) != tree.N {
		check(fmt.Errorf("%d entries of %d", len(entries), tree.N))
	}
	fmt.Printf("%d entries, consistent with %d\n", tree.N, old.N)
}

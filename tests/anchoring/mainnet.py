"""What Ethereum's main network says of itself, as its nodes write it.

Each says whether it was copied right: the header by its hash, the proof by the root it is under.
"""

from __future__ import annotations

GENESIS = {
    "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
    "parentHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x0000000000000000000000000000000000000000",
    "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
    "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x400000000",
    "number": "0x0",
    "gasLimit": "0x1388",
    "gasUsed": "0x0",
    "timestamp": "0x0",
    "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
    "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
    "nonce": "0x0000000000000042",
}

CANCUN = {
    "hash": "0x92dabfa3f61ff1c349d12f5fd0dd4c99760a0a41b77dee8f0a80f83efdcb307a",
    "parentHash": "0x2af1ab84a4e79f58be9b35b77968f792a842866f0f94fed37521ecca17c7f442",
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97",
    "stateRoot": "0x7b3d5a01f69b7d2ea7479fd7ae35f4bac2700ab6d6d7b4807a7fedf53ced710e",
    "transactionsRoot": "0xb6ef2bf0992ccdca89ed200364e20a4446282da6160fd21258cc9b3f4fa9f789",
    "receiptsRoot": "0xf883e1a2fb8df9d1d988dec80f13c8aca724590ac357e45e30e0d48b1fbd64ee",
    "logsBloom": "0x37a509abc1579d93a2ec495befaabd27d7adb9ede7f22df466dbd18c9ff0a4e6c4d71d74b98999"
    "f4cb125fc374ee91b7baa3ac6bcebb7ea0b6d7efedd56e3186b3f06e7b5725cb99ea2e737ff2516eb717672877d27c38"
    "f097c7b82589e69f799f1ebf009e6e1e76e18fd3319847afd1ba3f74b8b97d6c147bf6bffe13db5f558f6a4b8beb90"
    "777dbd5b3f0acfb7adbe7cd4b7a1eda37a3bc5759f5254d1d6b9eff9b556aeffe95cfb3f37cadcd28d8a352fd3d635"
    "e443dbe7af677ece8a6d6feb287cca54901fdb73cd63b2f3b79dd649f795ee142e437624df6e2aab6378a24dfd7c7b"
    "a11676007fff108a76a8dfbddf7c23485fb870f0478c786c71f25d8b",
    "difficulty": "0x0",
    "number": "0x14e8d38",
    "gasLimit": "0x2243e5b",
    "gasUsed": "0xf8e2f0",
    "timestamp": "0x67be0db3",
    "extraData": "0x546974616e2028746974616e6275696c6465722e78797a29",
    "mixHash": "0xe6aaa45d8946d067dc3ff923bdd006f8cf378cbe2d8b20d3575228943fabfa05",
    "nonce": "0x0000000000000000",
    "baseFeePerGas": "0x65d7fcc6",
    "withdrawalsRoot": "0x06c67fc3ed2258189eabb31a16a22df10534b319b525bd2a3762d31fb48dda26",
    "blobGasUsed": "0x0",
    "excessBlobGas": "0x4780000",
    "parentBeaconBlockRoot": "0x92ab5cd0d1078545b4d6061ff1a20af12d2c9897ef395889d42b47fa4478a3f6",
}

OSAKA = {
    "hash": "0x0c376582eb04b8dd46f1bf950715e0fd3e6a57a49e670df60fb36862968e69ce",
    "parentHash": "0xf3c14e8a0225f3f7eac4ffabda56ff1b9d425e9f90274a3d2d320ac42d386f1b",
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97",
    "stateRoot": "0x1d3a996600908fd0fa2b46df131e914059fc73a59f28d45fd7167161bd24f13c",
    "transactionsRoot": "0x891bddce11a89120e3317763b901128951c22dbdfeb450f30ff43f2d2baa2748",
    "receiptsRoot": "0xa53df728f72f50c89f80a6e17c8ea32ddd21c097f65281c2e2c061e9015513fa",
    "logsBloom": "0xf8e7a956d36f6dbbbdbae9a5e7fd7ce01f553e7c37077fe774ebfffb7fffafbf3ceffe3ef97c6f"
    "6d8bf66fdfe5662d9d7eede0fcfeb6eb3d7df7f779ebfccba3764d6a9f07d776fdead3d9afbecdf7faf567be9afdfe6e"
    "37dfff389cfff59c9a3a676798936f6beaf54ffbb5eec1dc9fab7040fafdb13f6e79937db5717edfbbc4f3cc7f775e"
    "f78f677f356bcfdbffff8e83ecd96bde9fbb2737075637d794b5cfbe1d97f2fbaa32daf7b6ecdbedcded9ff7e9f777"
    "7ffffc3efd57a973fcfff3e5bcbefbd0ffcff3efe5ec59cefb3fe3f9ff2ff77e7cfadbf929370af7bfffd7eefd6eac"
    "bf39372eee74d2be96eb3ff6d76fde18f3e869eedbddf23f9307c575",
    "difficulty": "0x0",
    "number": "0x18d80ea",
    "gasLimit": "0x3938700",
    "gasUsed": "0x21b03db",
    "timestamp": "0x6ab5bbbf",
    "extraData": "0x546974616e2028746974616e6275696c6465722e78797a29",
    "mixHash": "0x5621c57c06d20f1f828e5bc115e474cc3c4c62c574908ab42a9cc16904adac9f",
    "nonce": "0x0000000000000000",
    "baseFeePerGas": "0xff85cb6",
    "withdrawalsRoot": "0x28582309bf2332abc7956df93e354e40d0e6329a21453be0b3ef4cf38603f58e",
    "blobGasUsed": "0x60000",
    "excessBlobGas": "0xb81773b",
    "parentBeaconBlockRoot": "0xde133ba079c651f2ed79d790dc1afcdb8f747fe3c5516f487e9551cf9621cdf6",
    "requestsHash": "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}

DEPOSIT_STORAGE = bytes.fromhex("fcbb4b77e533e75ac831006ef975191deda38a7b8f50887a8ad263c38e6e4461")
"""The storage root of the deposit contract, 0x00000000219ab540356cbb839cbe05303d7705fa."""

DEPOSIT_SLOT_1 = bytes.fromhex("2394e3bc4086a9625ae88307145a40ff4a4bf2c9a6755435bff86b22d6175d5f")
"""What its slot 1 holds, and below the nodes that lead to it."""

DEPOSIT_NODES = tuple(
    map(
        bytes.fromhex,
        (
            "f901f1"
            "a0aebf74b9b7e1bf554db31caa48333a3715b5094b8556e570deb8caa3192c3416"
            "a0e39e36c627b311f0cc857ef67cecd6eee4dab75266287507c55a22df1eb37601"
            "a08a0979edaefc8162593ce00d72114aeed1adca4e8099bf25b4f318590e67582e"
            "a066900eb3ea2094e73b5ea9d4a90b2491584cf9d1a90660df9c9c2a9eceac32d2"
            "a0625648f3aac5aae047ee82c5aa7bd4d89e147db71f4b93767e85d75a47e5bd87"
            "80"
            "a00ce3d88859b1ca67832cc8930d9c3d65e6485fd3b52e168356c1b5d45565ad1a"
            "a0ddf79db0a36d0c8134ba143bcb541cd4795a9a2bae8aca0ba24b8d8963c2a77d"
            "a0557aee9c6a45af972739d8688b4dfdeb8db83c736bc519da10fcd3d882f9b1bd"
            "a0f0855349af6bf84afc8bca2eda31c8ef8c5139be1929eeb3da4ba6b68a818cb0"
            "a0f48e9ef57f7cf45ad0dcf34526df64b35005115c56cbe1f6febb45bf3722dd6b"
            "a04769879d8c6d56696bc82921ddefe6b1afebc62a1742aa8ed6d1741b2923e62e"
            "a08879f419740e80404a95e0fde9395f12a562d292d833a66aae3b98e299256671"
            "a0d414edfd63368713171c346165fe18ae22aa8293a50d41f46232b7842a27b532"
            "a047c59da56bb2bf348c9dd2a2e8f5538a92b904b661cfe54a4298b85868bbe485"
            "a0f05e6507b7d90af75cea8136e8c6a6bab3a541644a4ca97d6d23420fa611f593"
            "80",
            "f87180"
            "a0f4d278beed8cd3c6540c5a946a92796168acabced915fce7caeebe0e92f8cc6f"
            "808080808080808080"
            "a0221241ef5ed685fa6aad52cd80e8c7d9376a7d9b331447a5107778da91b2e63d"
            "8080"
            "a09a6cfc4866d71e06561276cdc9a447cff4f1de50b1314a045a4c464a4a42ab22"
            "8080",
            "f843"
            "a0200e2d527612073b26eecdfd717e6a320cf44b4afac2b0732d9fcbe2b7fa0cf6"
            "a1a02394e3bc4086a9625ae88307145a40ff4a4bf2c9a6755435bff86b22d6175d5f",
        ),
    )
)

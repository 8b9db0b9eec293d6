"""A verifier in JavaScript that runs in a browser, put together from small sources.

- `verifier/*.js`: what `provenance.verification` does, in the same steps and words
- `rules`: what the forms and constants of Python tell it, so that both have one source
- `page/`: a page around it that works from a disk
- `assembly`: puts them together, without a build step
"""

from provenance.browser.assembly import colours, page, page_policy, script

__all__ = ["colours", "page", "page_policy", "script"]

"""The viewer: one page in the browser, served from this computer to this computer alone.

settings.py   limits, and how the server is started
guard.py      who may ask: host, origin, token; headers of every answer
values.py     an image as raw numbers for the page, and what is to be known of it
entries.py    one image of a session
reading.py    files to entries
opening.py    what a path on the command line stands for: images, a study, results
lineage.py    the sources of a result, found by the digests in its provenance
uploads.py    files that are dropped on the page, streamed with limits
tasks.py      fusions and measurements in processes of their own, with progress and cancel
work.py       what those processes do
catalogue.py  methods and settings as forms
exports.py    what the page saves
session.py    all that belongs together, and its end
app.py        addresses
server.py     from the command line to a page
static/       the page: plain modules, no build step; vendor/ holds NiiVue
"""

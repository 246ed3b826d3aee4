"""The documentation is true where a machine can tell: links lead somewhere, and code that is said to be from a file is
in that file."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
QUOTE = re.compile(r"<!-- from (\S+) -->\n```\w*\n(.*?)\n```", re.DOTALL)


def faults(page):
    text = page.read_text()
    for target in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if "://" not in target and not (page.parent / target).exists():
            yield f"leads to {target}, which is not there"
    for source, code in QUOTE.findall(text):
        if not (ROOT / source).exists():
            yield f"quotes {source}, which is not there"
        elif code not in (ROOT / source).read_text():
            yield f"quotes {source}, which reads otherwise now"
    if text.count("<!-- from ") != len(QUOTE.findall(text)):
        yield "has a '<!-- from' without a block of code after it"


found = [f"{page.relative_to(ROOT)} {fault}" for page in PAGES for fault in faults(page)]
if len(PAGES) < 5:
    found.append("fewer than five pages were found")
print("\n".join(found) or f"{len(PAGES)} pages are in order")
sys.exit(bool(found))

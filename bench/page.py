"""bench/page.py: the part of a page that a program writes, between two comments that name it."""
import os


def replace_block(path, name, text, heading=""):
    """Puts text between the markers of `name`, or adds them at the end, below `heading`. The page is whole at any time."""
    begin, end = "<!-- %s -->" % name, "<!-- /%s -->" % name
    page = "# Results\n"
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            page = f.read()
    block = begin + "\n" + text + end
    if begin in page and end in page:
        page = page[:page.index(begin)] + block + page[page.index(end) + len(end):]
    else:
        page = page.rstrip("\n") + "\n\n" + (heading + "\n\n" if heading else "") + block + "\n"
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(page)
        f.flush()
        os.fsync(f.fileno())
    os.replace(path + ".new", path)

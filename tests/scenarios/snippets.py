# SPDX-License-Identifier: Apache-2.0
"""What stands in the documents as code. A comment before a block, which readers don't see, says what it is:

    file: NAME.c             a whole module of that name
    test: NAME.c             a program that tests it
    with: NAME.c, http, …    modules that it needs; or code that goes before it
    config: YAML             settings to run it with
    run: FUNCTION DATA END   a function in it, run on that data, ends so: completed, failed, waiting
"""
import re
from dataclasses import dataclass, field

BLOCK = re.compile(r"((?:^<!--(?:(?!-->).)*-->\n)*)^```(\w+)\n(.*?)^```$", re.M | re.S)
COMMENT = re.compile(r"<!-- (\w+):\s(.*?)\s?-->", re.S)


@dataclass
class Snippet:
    document: str
    line: int
    language: str
    text: str
    notes: list = field(default_factory=list)

    def note(self, key):
        return next((value.strip() for name, value in self.notes if name == key), None)

    def all_notes(self, key):
        return [value.strip() for name, value in self.notes if name == key]

    @property
    def place(self):
        return f"{self.document}:{self.line}"


def fenced(root, document):
    """Blocks between ``` of a document, in order."""
    text = (root / document).read_text()
    return [Snippet(document, text.count("\n", 0, match.start(3)) + 1, match[2], match[3], COMMENT.findall(match[1]))
            for match in BLOCK.finditer(text)]


def indented(root, document):
    """Blocks that are indented by four, and stand in no fence."""
    lines = (root / document).read_text().splitlines()
    found, is_fenced = [], False
    for number, line in enumerate(lines, 1):
        is_fenced ^= line.startswith("```")
        if line.startswith("    ") and not is_fenced:
            if found and found[-1][2]:
                found[-1][1].append(line[4:])
            else:
                found.append([number, [line[4:]], True])
        elif line and found:
            found[-1][2] = False
    return [Snippet(document, number, "", "\n".join(text) + "\n") for number, text, _ in found]

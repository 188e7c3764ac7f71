#!/usr/bin/env python3
"""documented.py HEADER... - every function of a public header, and every one that a plugin or the host gives, says what a caller needs: a comment of its own (a
group may share one), on which thread, and, if it can fail, how; and each header says what its contents follow."""
import os
import re
import sys

failed = 0


def case(name, ok, said=""):
    global failed
    failed += not ok
    print(f"[       OK ] {name}" if ok else f"[  FAILED  ] {name}\n    {said}")


def masked(m):
    return re.sub(r"[^\n]", " ", m.group(0))


def functions(body):
    """Declared functions and members that are pointers to one: (name, can it fail, its comment). A comment above stands for what follows it up
    to an empty line; one behind stands for its own line."""
    comments = [(m.start(), m.end()) for m in re.finditer(r"/\*.*?\*/", body, re.S)]
    code = re.sub(r"/\*.*?\*/", masked, body, flags=re.S)
    code = re.sub(r"^#(?:[^\n\\]|\\\n|\\.)*", masked, code, flags=re.M)
    for m in re.finditer(r"(?:(?<=[;{}\n])|^)\s*((?:const )?(?:struct )?\w+ \**)(mmr_\w+)\(|(\w+ ?\**) ?\(\*(\w+)\)\(", code):
        at, end = m.start(2) if m.group(2) else m.start(3), code.index(";", m.end())
        line_end = body.index("\n", end)
        above = [c for c in comments if c[1] <= at and "\n\n" not in re.sub(r"[ \t]+\n", "\n", code[c[1]:at])]
        said = body[above[-1][0]:above[-1][1]] if above else ""
        said += "".join(body[b:e] for b, e in comments if end <= b <= line_end)
        yield (m.group(2) or m.group(4)), (m.group(1) or m.group(3)).strip() == "int", said


def main():
    for path in sys.argv[1:]:
        text, name = open(path, encoding="utf-8").read(), os.path.basename(path)
        head = re.match(r"/\*.*?\*/", text, re.S).group(0)
        found, wrong = 0, []
        for f, can_fail, said in functions(text[len(head):]):
            found += 1
            if not said:
                wrong.append(f"{f}: no comment")
            elif "[loop]" not in said + head and "[any]" not in said + head:
                wrong.append(f"{f}: on which thread?")
            elif can_fail and not re.search(r"error|MMR_E|[Rr]eturns|how many|[Hh]ow many|answers|0:|negative|[Nn]umber|-1", said):
                wrong.append(f"{f}: how does it fail?")
        case(f"{name.replace('.', '_')}_says_what_it_follows", not found or re.search(r"^ \* source  ", head, re.M), "no 'source' in its first comment")
        case(f"{name.replace('.', '_')}_{found}_functions", not wrong, "; ".join(wrong))
    return 1 if failed else 0


sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""One SVG a question: a bar for each contender's median, a line from its minimum to its maximum."""
from html import escape

BAR, GAP, LEFT, WIDTH, HEAD = 18, 10, 190, 760, 34


def draw(title, rows):
    figures = list(dict.fromkeys(row["unit"] for row in rows))
    height = HEAD + sum(HEAD + (BAR + GAP) * sum(row["unit"] == unit for row in rows) for unit in figures) + GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="100%" height="100%" fill="white"/><text x="8" y="20" font-size="14" font-weight="bold">{escape(title)}</text>']
    y = HEAD
    for unit in figures:
        y += HEAD
        parts.append(f'<text x="8" y="{y - 10}" fill="#555">{escape(unit)}</text>')
        group = [row for row in rows if row["unit"] == unit]
        scale = (WIDTH - LEFT - 90) / (max(row["max"] for row in group) or 1)
        for row in group:
            middle, color = y + BAR / 2, "#c2410c" if row["contender"] == "stepd" else "#94a3b8"
            parts.append(f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(row["contender"])}</text>'
                         f'<rect x="{LEFT}" y="{y}" width="{max(1, row["median"] * scale):.1f}" height="{BAR}" fill="{color}"/>'
                         f'<path d="M{LEFT + row["min"] * scale:.1f} {middle}H{LEFT + row["max"] * scale:.1f}" stroke="#111"/>'
                         f'<text x="{LEFT + row["max"] * scale + 6:.1f}" y="{middle + 4}">{row["median"]:,.4g}</text>')
            y += BAR + GAP
    return "\n".join(parts) + "\n</svg>\n"

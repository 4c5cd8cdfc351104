# SPDX-License-Identifier: BSD-3-Clause
"""Tables for a person, as scripts/quickstart and scripts/timeline print them."""


def rate_text(rate):
    for limit, unit, divisor in ((1e3, "", 1), (1e6, "k", 1e3)):
        if rate < 0.9995 * limit:
            return f"{rate / divisor:.3g}{unit}/s"
    return f"{rate / 1e6:.3g}M/s"


def table_lines(columns, rows):
    """Rows of texts and numbers; the first column stands left, the others right."""
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in texts) for i in range(len(columns))]
    return [
        "  " + row[0].ljust(widths[0]) + "".join("  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        for row in texts
    ]

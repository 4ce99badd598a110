"""A bar chart as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

WIDTH, ROW, LEFT = 720, 34, 130


def bars(title: str, values: Mapping[str, int]) -> str:
    """Horizontal bars, the longest first."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    height = 50 + ROW * len(ordered)
    svg = ElementTree.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        **{"font-family": "system-ui, sans-serif", "font-size": "14"},
    )
    ElementTree.SubElement(svg, "title").text = title
    ElementTree.SubElement(svg, "text", x="10", y="26", fill="gray").text = title
    longest = max(values.values())
    for number, (name, value) in enumerate(ordered):
        top = 42 + number * ROW
        width = max(1, round((WIDTH - LEFT - 110) * value / longest))
        ElementTree.SubElement(svg, "text", x="10", y=str(top + 18), fill="gray").text = name
        ElementTree.SubElement(
            svg, "rect", x=str(LEFT), y=str(top), width=str(width), height="24", fill="#1f5fbf", rx="3"
        )  # fmt: skip
        label = ElementTree.SubElement(
            svg, "text", x=str(LEFT + width + 8), y=str(top + 18), fill="gray"
        )
        label.text = f"{value:,}"
    ElementTree.indent(svg)
    return ElementTree.tostring(svg, encoding="unicode") + "\n"

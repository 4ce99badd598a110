"""Exports from the page: what is filtered, with progress and a clear failure."""

import csv
import json

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect


def download(page, name, folder):
    page.locator(".menu > summary").click()
    with page.expect_download() as under_way:
        page.get_by_role("link", name=name, exact=True).click()
    file = folder / under_way.value.suggested_filename
    under_way.value.save_as(file)
    return file


@pytest.mark.parametrize("scripts", [True, False])
def test_the_csv_holds_what_is_filtered(open_page, log, events, tmp_path, scripts):
    page = open_page(java_script_enabled=scripts)
    page.goto(f"{log}?user=bob@page.example")
    file = download(page, "CSV for spreadsheets", tmp_path)
    assert file.name.startswith("audit-log-page-")
    with file.open(newline="", encoding="utf-8-sig") as text:
        (row,) = csv.DictReader(text)
    assert row["event_id"] == events
    assert row["changed_field"] == "role\npassword"
    if scripts:
        expect(page.locator("#export-status")).to_contain_text(f"Exported {file.name}")


def test_the_other_formats(page, log, events, tmp_path):
    page.goto(f"{log}?user=bob@page.example")
    assert not download(page, "CSV for programs", tmp_path).read_bytes().startswith(b"\xef")
    (line,) = download(page, "JSON Lines", tmp_path).read_text().splitlines()
    assert json.loads(line)["event_id"] == events
    assert pq.read_table(download(page, "Parquet", tmp_path)).num_rows == 1


def test_a_refusal_is_said(open_page, log):
    page = open_page(expected=("503",))
    page.route(
        "**/export.csv*",
        lambda route: route.fulfill(status=503, json={"detail": "Kafka does not take the record."}),
    )
    page.locator(".menu > summary").click()
    page.get_by_role("link", name="CSV for spreadsheets", exact=True).click()
    expect(page.locator("#export-status")).to_have_text(
        "The export failed: Kafka does not take the record. Nothing was saved."
    )


def test_progress_cancel_and_a_transfer_that_breaks_off(open_page, log):
    """The browser's own streams, fed by hand: half a file, then the line is cut."""
    page = open_page()
    page.evaluate(
        """() => {
            window.fetch = async (url, { signal } = {}) => new Response(new ReadableStream({
                start(controller) {
                    window.feed = controller;
                    controller.enqueue(new Uint8Array(300_000));
                    signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError")));
                },
            }), { headers: { "Content-Type": "text/csv" } });
        }"""
    )
    status = page.locator("#export-status > div").last

    def begin():
        page.locator(".menu > summary").click()
        page.get_by_role("link", name="CSV for spreadsheets", exact=True).click()
        expect(status).to_contain_text("Exporting CSV for spreadsheets … 293 kB")

    begin()
    page.evaluate("feed.error(new TypeError('network error'))")
    expect(status).to_have_text(
        "The export failed: the transfer broke off after 293 kB. Nothing was saved."
    )
    begin()
    page.get_by_role("button", name="Cancel").click()
    expect(status).to_have_text("The export was cancelled. Nothing was saved.")

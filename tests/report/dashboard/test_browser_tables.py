from pathlib import Path

from tests.report.dashboard.pages import Page


def column(page, table: str, title: str) -> tuple[int, list[str]]:
    titles = page.locator(f"#{table} thead th").all_inner_texts()
    place = [" ".join(text.split()) for text in titles].index(title)
    return place, page.locator(f"#{table} tbody tr > :nth-child({place + 1})").all_inner_texts()


def number(text: str) -> float:
    return float(text.removesuffix(" %").removesuffix(" J"))


def test_tables_sort_by_number_in_both_directions_missing_last(every_kind, visit):
    page = visit(every_kind)
    place, before = column(page, "runs", "active")
    assert any(text == "\N{EN DASH}" for text in before)
    header = page.locator("#runs thead th").nth(place)
    for state, sign in (("ascending", 1), ("descending", -1)):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == state
        _, after = column(page, "runs", "active")
        values = [number(text) for text in after if text != "\N{EN DASH}"]
        assert values == sorted(values, key=lambda value: sign * value)
        assert after[len(values) :] == ["\N{EN DASH}"] * (len(before) - len(values))
        assert sorted(after) == sorted(before)
    assert page.locator("#runs th[aria-sort=descending], #runs th[aria-sort=ascending]").count() == 1


def test_tables_sort_words_with_the_keyboard(every_kind, visit):
    page = visit(every_kind)
    page.locator("#runs thead th button").nth(4).focus()
    page.keyboard.press("Enter")
    states = [text.split()[0] for text in column(page, "runs", "state")[1]]
    assert states == sorted(states)


def test_filter_by_text_method_and_state(every_kind, visit):
    page = visit(every_kind)
    rows, told = page.locator("#runs tbody tr:visible"), page.locator("#filtered")
    assert told.inner_text() == "21 of 21 runs"
    page.locator("#filter-status").select_option("failed")
    assert rows.count() == 2
    page.locator("#filter-status").select_option("dead")
    assert rows.count() == 1
    page.locator("#filter-status").select_option("")
    page.locator("#filter-method").select_option("surrogate")
    assert rows.count() == 5
    page.locator("#filter-text").fill("surrogate-s1 0")
    assert rows.count() == 1
    assert told.inner_text() == "1 of 21 runs"


def test_failed_run_leads_to_its_traceback(every_kind, visit):
    page = visit(every_kind)
    page.locator("#runs tr[data-status=failed] a[href^='#']").first.click()
    assert page.locator("details:has(p:target) pre").is_visible()


def test_downloads_are_the_exports(sweep, visit):
    page = visit(sweep)
    for name, text in Page(sweep).report()["downloads"].items():
        with page.expect_download() as download:
            page.locator(f"button[data-download='{name}']").click()
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_text() == text

"""What operators come for, from the first page to the outcome."""

import re

import pytest
from playwright.sync_api import expect

from consumer.core.roles import Role
from tests.admin.conftest import secret
from tests.admin.scene import CANARY, HOSTILE, Shop
from tests.console.conftest import Opens


def test_a_new_failure_is_found_understood_fixed_and_sent_again(shop: Shop, address: str, opens: Opens) -> None:
    """Overview, group, letter, what it would do, edit, send again; the history has it all."""
    letter = shop.bad(2)
    page = opens(address)
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("need")
    page.get_by_role("link", name="record.checks after.status").click()
    expect(page.get_by_text("What to do")).to_be_visible()
    page.get_by_role("link", name=str(letter), exact=True).click()
    page.get_by_role("link", name="What it holds and would do").click()
    expect(page.get_by_text("it would be refused")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("status", exact=True).fill("paid")
    page.get_by_label("Why").fill("ticket 1")
    page.get_by_role("button", name="Keep the change").click()
    expect(page.get_by_role("status")).to_contain_text("Changed.")
    page.get_by_role("link", name="What it holds and would do").click()
    expect(page.get_by_text("insert a row")).to_be_visible()
    page.go_back()
    page.get_by_text("Send again", exact=True).first.click()
    page.locator("#replay").fill("ticket 1")
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_contain_text("Sent again.")
    assert shop.state(letter) == "replaying"
    expect(page.locator(".line")).to_contain_text("Replay letters by anybody on this machine")


def test_a_group_is_sent_again_in_bulk_but_for_the_letter_that_is_stale(shop: Shop, address: str, opens: Opens) -> None:
    """What would become of each is shown; the number that goes has to be typed."""
    letters = [shop.bad(number) for number in range(2, 6)]
    shop.session.execute("UPDATE headrace.letters SET origin_log = 'gone' WHERE id = %s", (letters[0],))
    shop.session.execute("DELETE FROM headrace.letter_bytes WHERE letter_id = %s", (letters[0],))
    page = opens(address)
    page.goto("/letters")
    page.get_by_role("link", name="record.checks after.status").click()
    page.get_by_role("link", name="Replay these…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 of 4 letters would be sent again")
    expect(page.get_by_text("stale", exact=True)).to_be_visible()
    page.get_by_label("Type 3 to agree").fill("4")
    page.get_by_label("Why").fill("the check is gone")
    page.get_by_role("button", name="Send them again").click()
    # the browser itself does not let another number through
    expect(page).to_have_url(re.compile("/replays/new"))
    page.get_by_label("Type 3 to agree").fill("3")
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Job")
    expect(page.get_by_text("0 of 3 have come to their end")).to_be_visible()


def test_a_job_is_cancelled_in_the_middle(shop: Shop, address: str, opens: Opens) -> None:
    """What was not sent stays as it is, and the page says how many."""
    letters = [shop.bad(number) for number in range(2, 6)]
    job = shop.job(letters)
    shop.session.execute("UPDATE headrace.jobs SET state = 'running' WHERE id = %s", (job,))
    shop.session.execute(
        "UPDATE headrace.job_items SET state = 'applied', sent_at = now(), ended_at = now() "
        "WHERE job_id = %s AND number = 1",
        (job,),
    )
    page = opens(address)
    page.goto(f"/replays/{job}")
    page.locator("summary", has_text="Cancel").click()
    page.locator("#cancel").fill("the wrong ones")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    expect(page.locator(".states")).to_contain_text("3 cancelled")
    assert [shop.state(letter) for letter in letters[1:]] == ["dead"] * 3


def test_a_viewer_sees_no_content_and_changes_nothing(shop: Shop, guarded: str, opens: Opens) -> None:
    """Nothing of it is offered, and asking for it by hand is refused."""
    letter = shop.bad(2, note=CANARY)
    page = opens(guarded)
    page.goto(f"/letters/{letter}")
    page.get_by_label("Token").fill(secret(Role.VIEWER))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Letter {letter}")
    for offered in ("Send again", "Give up", "Edit", "What it holds and would do"):
        expect(page.get_by_text(offered, exact=True)).to_have_count(0)
    for path in (f"/letters/{letter}/content", f"/letters/{letter}/edit"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_have_text("That is not for your role")
        assert CANARY not in page.content()
    assert shop.audit() == []
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_hostile_values_do_nothing(shop: Shop, address: str, opens: Opens) -> None:
    """No dialog opens, nothing is turned round, and an edit of another column keeps them as they are."""
    letter = shop.bad(2, note=HOSTILE)
    page = opens(address)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(f"/letters/{letter}/content")
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    page.goto(f"/letters/{letter}/edit")
    page.get_by_label("status", exact=True).fill("paid")
    page.get_by_label("Why").fill(HOSTILE)
    page.get_by_role("button", name="Keep the change").click()
    expect(page.get_by_role("status")).to_contain_text("Changed.")
    expect(page.locator(".line")).to_contain_text("Changed after.status")


def test_a_letter_that_comes_is_shown_without_loading_the_page_anew(shop: Shop, address: str, opens: Opens) -> None:
    """The page is told, and looks."""
    page = opens(address)
    page.goto("/")
    expect(page.get_by_text("No open letters")).to_be_visible()
    page.evaluate("window.same = true")
    shop.bad(2)
    expect(page.get_by_text("One record waits as dead letters", exact=True)).to_be_visible()
    assert page.evaluate("window.same") is True


def test_it_is_used_with_the_keyboard_alone(shop: Shop, address: str, opens: Opens) -> None:
    """The first stop leads to the content; letters lead to pages and to the search."""
    page = opens(address)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gb")
    expect(page.get_by_role("searchbox")).to_have_value("gb")


def test_the_chosen_look_stays(address: str, opens: Opens) -> None:
    """On the next page too."""
    page = opens(address, color_scheme="light")
    page.goto("/")
    page.get_by_role("button", name="Dark look").click()
    page.goto("/letters")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_it_is_read_and_even_used_without_javascript(shop: Shop, address: str, opens: Opens) -> None:
    """Pages are whole, and forms are forms."""
    letter = shop.bad(2)
    page = opens(address, java_script_enabled=False)
    page.goto("/")
    expect(page.get_by_text("One record waits as dead letters", exact=True)).to_be_visible()
    page.goto(f"/letters/{letter}")
    page.locator("summary", has_text="Give up").click()
    page.locator("#discard").fill("ticket 1")
    page.get_by_role("button", name="Give it up").click()
    expect(page.get_by_role("status")).to_contain_text("Given up.")
    assert shop.state(letter) == "discarded"

"""What operators come for, from the first page to the outcome."""

import re
import socket
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from consumer.admin.app import make_app
from consumer.core.roles import Role
from consumer.edges.oidc import HttpProvider, ProviderSettings
from consumer.settings.admin import Admin, Oidc
from tests.admin.conftest import secret
from tests.admin.provider import CLIENT, SECRET, issuing
from tests.admin.scene import CANARY, HOSTILE, Shop
from tests.admin.serving import served
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


def test_somebody_is_led_to_fix_a_first_letter(shop: Shop, opens: Opens) -> None:
    """From the overview, step by step, each ticked off when it is done."""
    letter = shop.bad(2)
    with served(make_app(Admin(look_every=0.5, guide=True), shop.doors)) as address:
        page = opens(address)
        page.goto("/")
        page.get_by_role("link", name="Begin").click()
        page.get_by_role("link", name="Find it").click()
        expect(page.get_by_text("Step 2 of 5")).to_be_visible()
        page.get_by_role("link", name="What it holds and would do").click()
        expect(page.get_by_text("Step 2 of 5")).to_be_visible()
        page.get_by_role("link", name="All steps").click()
        page.get_by_role("link", name="Correct it").click()
        page.get_by_label("status", exact=True).fill("paid")
        page.get_by_label("Why").fill("ticket 1")
        page.get_by_role("button", name="Keep the change").click()
        expect(page.get_by_text("Step 4 of 5")).to_be_visible()
        page.get_by_text("Send again", exact=True).first.click()
        page.locator("#replay").fill("ticket 1")
        page.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("Step 5 of 5")).to_be_visible()
    assert shop.state(letter) == "replaying"


def test_a_position_is_set_and_letters_are_exported(shop: Shop, address: str, opens: Opens) -> None:
    """The number that was shown has to be typed; a file has a line for each letter."""
    shop.bad(2)
    end = shop.line.next_offset
    shop.logs.reach[shop.line.at] = end + 3
    page = opens(address)
    page.goto("/pipeline")
    page.get_by_text("1 partition", exact=True).click()
    page.get_by_role("link", name="Set position").click()
    page.get_by_label("Go on").select_option("latest")
    page.get_by_role("button", name="See what would be done").click()
    expect(page.get_by_text(f"It would pass offsets {end} to {end + 2}")).to_be_visible()
    page.get_by_label(f"Type {end + 3} to agree").fill(str(end + 3))
    page.get_by_label("Why").fill("ticket 1")
    page.get_by_role("button", name="Set the position").click()
    expect(page.get_by_role("status")).to_contain_text("Set.")
    page.goto("/letters/list?state=dead")
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as taken:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert len(taken.value.path().read_text().splitlines()) == 2


def test_somebody_logs_in_at_a_provider_and_out_again(shop: Shop, opens: Opens) -> None:
    """In a browser, with the cookies that it sends from one site to another."""
    with issuing() as issuer:
        oidc = Oidc(issuer=issuer.url, client_id=CLIENT, roles={"shop-operators": "operator"}, title="the shop's login")
        provider = HttpProvider(ProviderSettings(issuer=issuer.url, client_id=CLIENT, secret=SECRET))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            app = make_app(Admin(oidc=oidc, url=url), replace(shop.doors, provider=provider))
            with served(app, listening) as address:
                page = opens(address)
                page.goto("/audit")
                page.get_by_role("link", name="Log in at the shop's login").click()
                expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
                expect(page.get_by_text("ada (127.0.0.1)")).to_be_visible()
                page.get_by_role("button", name="Log out").click()
                expect(page.get_by_role("link", name="Log out at the shop's login too")).to_be_visible()
                page.goto("/audit")
                expect(page.get_by_role("link", name="Log in at the shop's login")).to_be_visible()


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


def test_rows_are_compared_in_the_wizard_before_anything_is_sent(shop: Shop, address: str, opens: Opens) -> None:
    """Without leaving it: the number is typed below the rows."""
    shop.bad(2)
    page = opens(address)
    page.goto("/replays/new?state=dead")
    page.get_by_role("link", name="Show the difference of 1 row").click()
    expect(page.get_by_text("it would be refused")).to_be_visible()
    expect(page).to_have_url(re.compile("/replays/new[?]"))
    expect(page.get_by_label("Type 1 to agree")).to_be_visible()
    assert [deed[1] for deed in shop.audit()] == ["view payload"]


def test_letters_are_searched_by_what_they_hold(shop: Shop, address: str, opens: Opens) -> None:
    """From their list, by a form; a field that there is not is said, and what was written stays."""
    shop.bad(2, note=CANARY)
    page = opens(address)
    page.goto("/letters/list?state=dead")
    page.get_by_role("link", name="Search what they hold…").click()
    page.get_by_label("Field").first.fill("note")
    page.get_by_label("Value").first.fill(CANARY)
    page.get_by_label("Why").fill("ticket 1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("A field begins with one of")
    expect(page.get_by_label("Value").first).to_have_value(CANARY)
    page.get_by_label("Field").first.fill("after.note")
    page.get_by_label("Why").fill("ticket 1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_contain_text("The search is there.")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Job")


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

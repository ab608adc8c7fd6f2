"""What people choose: the page's language and theme, what is spoken, which model, and the settings."""

from __future__ import annotations

import json
import re


async def test_chinese_page_and_themes(scripted, browse):
    async with scripted() as daemon, browse(locale="zh-CN", color_scheme="dark") as visit:
        await visit.goto(daemon.http)
        await visit.sees("#status", "就绪")
        assert await visit.get_attribute("html", "lang") == "zh-CN"
        await visit.sees("#language", "法语")
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await visit.evaluate(ground)
        await visit.click("#theme")
        assert await visit.evaluate(ground) != dark
        await visit.click("#ui-language")
        await visit.sees("#status", "Ready")
        await visit.reload()
        await visit.sees("#status", "Ready")
        assert await visit.evaluate(ground) != dark
        await visit.click("#theme")
        await visit.click("#theme")
        assert "as the system" in await visit.get_attribute("#theme", "title")
        assert await visit.evaluate(ground) == dark


async def test_wishes_go_into_the_address(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        urls: list[str] = []
        visit.on("websocket", lambda socket: urls.append(socket.url))
        await visit.goto(daemon.http)
        await visit.select_option("#language", "zh")
        await visit.click("#open-settings")
        await visit.fill("#hotwords", "Shelley，AlignAtt")
        await visit.fill("#prompt", "Romantic poetry.")
        await visit.check("#translate")
        await visit.click("#settings .primary")
        await visit.click("#record")
        await visit.hears("one")
        await visit.finishes()
        wishes = "language=zh&hotwords=Shelley%EF%BC%8CAlignAtt&initial_prompt=Romantic+poetry.&task=translate"
        assert urls == [f"{daemon.ws}/asr?{wishes}&format=pcm&resume=true"]


async def test_escape_leaves_the_settings_as_they_were(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        for leave in ("Escape", "#cancel"):
            await visit.click("#open-settings")
            await visit.fill("#hotwords", "mistyped")
            await (visit.click(leave) if leave.startswith("#") else visit.keyboard.press(leave))
            await visit.click("#open-settings")
            assert await visit.input_value("#hotwords") == ""
            await visit.keyboard.press("Escape")


async def test_settings_bring_up_no_keyboard_until_a_field_is_pressed(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.click("#open-settings")
        assert await visit.evaluate("document.activeElement.id") == "settings"
        await visit.keyboard.press("Tab")
        assert await visit.evaluate("document.activeElement.id") == "server"
        await visit.keyboard.press("Escape")
        assert await visit.evaluate("document.activeElement.id") == "open-settings"


async def test_what_is_chosen_in_one_tab_keeps_what_was_chosen_in_another(scripted, browse):
    async with scripted() as daemon, browse() as one:
        await one.goto(daemon.http)
        other = type(one)(await one.context.new_page())
        await other.goto(daemon.http)
        await one.click("#open-settings")
        await one.fill("#token", "sesame")
        chosen = "document.querySelector('#settings .primary').click(); localStorage.getItem('wlkd.settings')"
        assert "sesame" in await one.evaluate(chosen), "at once: a hidden tab draws no frame to wait for"
        await other.is_told("settings", "sesame")
        await other.sees("#language", "French")
        await other.select_option("#language", "fr")
        await other.click("#open-settings")
        await other.fill("#hotwords", "Shelley")
        await other.click("#settings .primary")
        await one.is_told("settings", "Shelley")
        await one.reload()
        await one.sees("#language option:checked", "French")
        await one.click("#open-settings")
        assert await one.input_value("#token") == "sesame"
        assert await one.input_value("#hotwords") == "Shelley"


async def test_only_what_the_model_can_do_is_offered(scripted, browse):
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#language", "French")
        codes = await visit.eval_on_selector_all("#language option", "options => options.map((each) => each.value)")
        assert codes == ["", "en", "zh", "es", "fr", "de"]
        # An English-only model, with a server that says so.
        offer = json.dumps({"languages": ["en"], "language": "en", "tasks": ["transcribe"]})
        await visit.route("**/asr/capabilities", lambda route: route.fulfill(body=offer))
        await visit.reload()
        await visit.sees("#language", re.compile("^English$"))
        await visit.click("#open-settings")
        await visit.sees_no("#translate")


async def test_a_meeting_may_be_in_several_languages_where_the_model_follows_them(scripted, browse):
    engine = {"name": "default", "backend": "simulstreaming", "model": "base", "languages": ["en", "zh"]}
    offer = {"languages": ["en", "zh"], "language": "en", "tasks": ["transcribe"], "chinese_script": "simplified"}
    body = json.dumps({**offer, "engines": [{**engine, "abilities": {"several_languages": True}}]})
    async with scripted() as daemon, browse(locale="zh-CN") as visit:
        urls: list[str] = []
        visit.on("websocket", lambda socket: urls.append(socket.url))
        await visit.route("**/asr/capabilities", lambda route: route.fulfill(body=body))
        await visit.goto(daemon.http)
        await visit.sees_no("#language-hint")
        await visit.select_option("#language", label="多种语言交替")
        await visit.sees("#language-hint", "每次停顿后重新识别语种")
        await visit.sees("#script-choice", "中文字形")
        await visit.click("#record")
        await visit.hears("one")
        await visit.finishes()
        assert urls == [f"{daemon.ws}/asr?language=auto&language_scope=segment&format=pcm&resume=true"]
        await visit.reload()
        await visit.click("#ui-language")
        await visit.sees("#language option:checked", "Several languages in turn")
        await visit.sees("#language-hint", "Recognized anew after each pause")


async def test_the_page_says_how_long_a_language_that_was_found_is_kept(scripted, browse):
    for scope, hint in (("session", "then kept"), ("segment", "anew after each pause")):
        async with scripted({"recognition": {"language_scope": scope}}) as daemon, browse() as visit:
            await visit.goto(daemon.http)
            await visit.sees("#language", "French")
            await visit.sees("#language-hint", hint)


async def test_a_server_with_several_models_lets_people_choose(scripted, browse):
    korean = {"name": "scripted", "options": {"languages": ["ko"], "script": [" hana", " dul"]}}
    async with scripted({"engines": {"korean": korean}, "routing": {"ko": "korean"}}) as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.sees("#model", re.compile("korean"))
        await visit.select_option("#model", "korean")
        codes = await visit.eval_on_selector_all("#language option", "options => options.map((each) => each.value)")
        assert codes == ["ko"], "what this model knows"
        await visit.keyboard.press("Space")
        await visit.hears("dul")
        await visit.finishes()


async def test_what_an_older_visit_chose_and_is_gone_gives_way(scripted, browse, script):
    """The microphone to the default one; a language that the model lacks to the server's choice."""
    async with scripted() as daemon, browse() as visit:
        await visit.goto(daemon.http)
        await visit.remembers({"source": "unplugged", "language": "ja"})
        await visit.reload()
        await visit.sees("#language", "French")
        await visit.click("#record")
        await visit.hears("one")
        assert script(await visit.finishes(), 1)

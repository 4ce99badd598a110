"""What a look-up keeps is bounded in bytes: user agents come from anybody."""

from orgtrail_consumers.steps.lookups import user_agent

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"
    " Safari/537.36"
)


def test_a_user_agent_in_words():
    assert user_agent.client(CHROME)[:2] == ("Chrome 124", "Linux")


def test_a_long_user_agent_is_looked_for_and_kept_by_its_beginning():
    user_agent._client.cache_clear()
    for number in range(5):
        assert user_agent.client(CHROME + "x" * 1_000 + str(number)).browser == "Chrome 124"
    assert user_agent._client.cache_info().currsize == 1

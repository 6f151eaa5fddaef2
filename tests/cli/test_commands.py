"""Commands as people run them: outcomes, exit codes, and one clear line for every refusal."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from app.cli.migrations import newest_revision
from app.cli.texts import TEXTS, terminal_language, text
from app.core.db import Database
from app.demo.telling import TEXTS as STORY_TEXTS
from app.identity.adapters.passwords import Passwords
from app.identity.models import OperatorLogin
from app.identity.repository import operators
from tests.cli.conftest import Quanpu, look_into
from tests.conftest import rows_in

ROOT = Path(__file__).resolve().parents[2]
SECRET = "canary-of-the-tests"
COMMANDS = (
    ("serve",),
    ("worker",),
    ("migrate",),
    ("seed",),
    ("doctor",),
    ("demo",),
    ("operator", "create", "--email", "a@b.example"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"APP_ENV": "production"}, "TOKEN_SECRET"),
        ({"TOKEN_SECRET": SECRET}, "TOKEN_SECRET"),
        ({"DB_POOL_SIZE": "many"}, "DB_POOL_SIZE"),
        ({"CORS_ORIGINS": "nonsense"}, "cors_origins"),
    ],
)
def test_bad_settings_end_with_2_and_one_line(
    quanpu: Quanpu, words: tuple[str, ...], environment: dict[str, str], named: str
) -> None:
    result = quanpu(*words, **environment)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert named in result.stderr
    assert SECRET not in result.stderr
    assert not list(Path.cwd().iterdir()), "nothing is written before the settings hold"


def test_migrate_makes_the_schema_once(quanpu: Quanpu, empty_url: str) -> None:
    first = quanpu("migrate", "--json", DATABASE_URL=empty_url)
    second = quanpu("migrate", "--json", DATABASE_URL=empty_url)
    newest = newest_revision()
    assert first.exit_code == second.exit_code == 0, first.stderr
    assert json.loads(first.stdout) == {"before": None, "after": newest}
    assert json.loads(second.stdout) == {"before": newest, "after": newest}


@pytest.mark.parametrize("command", ["migrate", "seed"])
def test_a_database_that_is_away_is_one_line_without_its_password(
    quanpu: Quanpu, command: str
) -> None:
    url = f"postgresql://quanpu:{SECRET}@127.0.0.1:1/quanpu"
    result = quanpu(command, DATABASE_URL=url)
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert "does not answer" in result.stderr
    assert SECRET not in result.output


def test_a_database_without_tables_asks_for_migrate(quanpu: Quanpu, empty_url: str) -> None:
    result = quanpu("seed", DATABASE_URL=empty_url)
    assert result.exit_code == 1
    assert result.stderr.strip() == text("not_migrated", "en")


def test_operator_create_keeps_the_password_hashed(quanpu: Quanpu, empty_url: str) -> None:
    quanpu("migrate", DATABASE_URL=empty_url)
    words = ("operator", "create", "--email", "Ada@Quanpu.example", "--admin", "--json")
    environment = {"DATABASE_URL": empty_url, "QUANPU_OPERATOR_PASSWORD": "quiet lake at dawn"}
    made = quanpu(*words, **environment)
    assert made.exit_code == 0, made.stderr

    async def look(database: Database) -> tuple[dict[str, int], str]:
        async with database.reading() as db:
            login = await operators.login_by_email(db, "ada@quanpu.example")
        assert login is not None
        assert str(login["operator_id"]) == json.loads(made.stdout)["operator_id"]
        return await rows_in(database), login["password_hash"]

    before, password_hash = look_into(empty_url, look)
    assert before[OperatorLogin.__tablename__] == 1
    fits = asyncio.run(Passwords().verify("quiet lake at dawn", password_hash)).fits
    assert fits

    again = quanpu(*words, **environment)
    assert (again.exit_code, again.stderr.strip()) == (1, text("operator_exists", "en"))
    assert look_into(empty_url, look)[0] == before, "a refusal writes nothing"


@pytest.mark.parametrize(
    ("email", "password", "said"),
    [("nobody", "quiet lake at dawn", "no e-mail"), ("a@b.example", "short", "10 to 128")],
)
def test_operator_create_refuses_nonsense_before_it_opens_the_database(
    quanpu: Quanpu, email: str, password: str, said: str
) -> None:
    result = quanpu("operator", "create", "--email", email, QUANPU_OPERATOR_PASSWORD=password)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(Path.cwd().iterdir())


def test_a_password_is_never_an_argument(quanpu: Quanpu) -> None:
    result = quanpu("operator", "create", "--email", "a@b.example", "--password", SECRET)
    assert result.exit_code == 2
    assert "No such option" in result.stderr


def test_the_committed_openapi_document_is_current(quanpu: Quanpu) -> None:
    """A changed contract shows in the same commit; write it with `quanpu openapi --out`."""
    told = quanpu("openapi", APP_ENV="production", DOCS_PUBLIC="false")
    assert told.exit_code == 0, told.stderr
    assert told.stdout == (ROOT / "docs/openapi.json").read_text(encoding="utf-8")
    written = quanpu("openapi", "--out", "api.json", "--json")
    assert json.loads(written.stdout) == {"path": "api.json"}
    assert Path("api.json").read_text(encoding="utf-8") == told.stdout


def test_every_command_speaks_json_and_tells_its_exit_codes(quanpu: Quanpu) -> None:
    for words in (*COMMANDS[:-1], ("operator", "create"), ("openapi",), ("promotions", "quote")):
        told = quanpu(*words, "--help", TERM="dumb", COLUMNS="200").stdout
        assert "--json" in told, words
        assert "Exit codes" in told, words


def test_texts_exist_in_both_languages_with_the_same_values() -> None:
    def values(sentence: str) -> set[str]:
        return {part.split("}")[0] for part in sentence.split("{")[1:]}

    for table in (TEXTS, STORY_TEXTS):
        for key, (chinese, english) in table.items():
            assert values(chinese) == values(english), key
            assert chinese != english, key


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh-CN"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_terminal_decides_the_language(environ: dict[str, str], language: str) -> None:
    assert terminal_language(environ) == language


def test_make_alone_prints_every_word() -> None:
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    words = "demo run worker test check fmt migrate bench race kill fuzz"
    for word in words.split():
        assert f"make {word} " in told, word


def test_the_pipeline_fails_when_a_lane_was_skipped() -> None:
    """Otherwise a lane could vanish without anybody noticing."""
    told = subprocess.run(
        [ROOT / ".ci/run", "--self-test"], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "a skipped lane fails the run" in told.stdout

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.data.fields import Row
from vidseq.errors import DataError
from vidseq.importers.json_rows import read_json_rows

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=8
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES)


def rows_of(path: Path, **options: str) -> list[tuple[str, dict[str, object]]]:
    return [(where, dict(row.values)) for where, row in read_json_rows(path, lambda row: row, **options)]  # type: ignore[arg-type]


@given(st.lists(OBJECTS, max_size=5), st.sampled_from([None, 0, 2]))
def test_a_list_reads_as_json_does(tmp_path_factory: pytest.TempPathFactory, items: list[dict], indent: int) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(items, indent=indent), encoding="utf-8")
    assert [values for _, values in rows_of(path)] == items
    path.write_text(json.dumps({"before": items, "clips": items, "after": 1}, indent=indent), encoding="utf-8")
    assert [values for _, values in rows_of(path, inside="clips")] == items


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), OBJECTS, max_size=5), st.sampled_from([None, 2]))
def test_an_object_reads_as_json_does(tmp_path_factory: pytest.TempPathFactory, items: dict, indent: int) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps({"database": items}, indent=indent), encoding="utf-8")
    expected = [{**value, "name": name} for name, value in items.items()]
    assert [values for _, values in rows_of(path, inside="database", key="name")] == expected


def test_every_row_knows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{\r\n "clips":\r\n [\r\n {"a": 1},\r\n\r\n {"a":\r\n 2}, {"a": 3}\r\n ]\r\n}\r\n')
    assert rows_of(path, inside="clips") == [("a.json:4", {"a": 1}), ("a.json:6", {"a": 2}), ("a.json:7", {"a": 3})]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ('[{"a": 1},\n {"a" 2}]', {}, r"^a.json:2: expects JSON \(Expecting ':' delimiter\), got 2}"),
        ('[{"a": 1}\n {"a": 2}]', {}, r"^a.json:2: expects a comma or '\]', got {\"a\": 2}"),
        ('[{"a": 1},', {}, r"^a.json:1: expects JSON \(Expecting value\), got the end of the file"),
        ("", {}, r"^a.json:1: expects a list, got the end of the file"),
        ('{"a": 1}', {}, r"^a.json:1: expects a list, got {"),
        ("[]", {"inside": "clips"}, r"^a.json:1: expects an object, got \[\]"),
        ('{"a": 1, "b": 2}', {"inside": "clips"}, r"^a.json: expects a member 'clips', got a, b"),
        ('{"clips": {}}', {"inside": "clips"}, r"^a.json:1: expects a list, got {}"),
        ("{1: 2}", {"inside": "clips"}, r"^a.json:1: expects a name in quotes"),
        ('{"a" 2}', {"inside": "clips"}, r"^a.json:1: expects a colon, got 2}"),
        ("[" * 100_000, {}, r"^a.json:1: expects JSON that is not nested too deep"),
        ('[{"a": 1},\n 7]', {}, r"^a.json:2: expects one JSON object in braces, got 7"),
        ('["\\ud800"]', {}, r"^a.json:1: expects one JSON object"),
        ('[{"a": "\\ud800"}]', {}, r"^a.json:1: expects text, got half a character"),
        ('{"a\\ud800": {}}', {"key": "name"}, r"^a.json:1: expects text, got half a character"),
        ('[{"a": 1}, {"a": ' + "9" * 5000 + "}]", {}, r"^a.json:1: expects whole numbers of fewer digits, got {"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, options: dict[str, str], message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        rows_of(path, **options)


def test_a_bad_row_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": 1},\n{"a": NaN},\nnull,\n{"a": 4}]')
    problems: list[str] = []
    read = read_json_rows(path, lambda row: row.seconds("a"), lambda problem: problems.append(str(problem)))
    assert list(read) == [("a.json:1", 1.0), ("a.json:4", 4.0)]
    assert problems == [
        "a.json:2: 'a' expects seconds such as 63.5, a finite number that is not negative, got nan.",
        "a.json:3: expects one JSON object in braces, got None.",
    ]


def test_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[\xff]")
    with pytest.raises(DataError, match=r"a.json:1: expects UTF-8 text, got the byte 0xff"):
        rows_of(tmp_path / "a.json")


@pytest.mark.parametrize("value", [3, "3", " 3 ", 0, "0"])
def test_whole_numbers(value: object) -> None:
    assert Row("x:1", {"a": value}).whole_number("a") == int(str(value))


@pytest.mark.parametrize("value", [-1, "-1", 1.5, "1.5", True, None, "", "x", "٣", "1" * 19])
def test_no_whole_numbers(value: object) -> None:
    with pytest.raises(DataError, match=r"^x:1: 'a' expects a whole number, got "):
        Row("x:1", {"a": value}).whole_number("a")


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "", "1e11", "x", None])
def test_no_seconds(value: object) -> None:
    with pytest.raises(
        DataError, match=r"^x:1: 'a' expects seconds such as 63.5, a finite number that is not negative, got "
    ):
        Row("x:1", {"a": value}).seconds_as_text("a")


def test_a_row_with_a_field_twice_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1, "a": 2},\n {"a": 3}]')
    problems: list[str] = []
    rows = read_json_rows(tmp_path / "a.json", lambda row: row.values["a"], lambda error: problems.append(str(error)))
    assert [value for _, value in rows] == [3]
    assert problems == ["a.json:1: expects every field once, got 'a' more than once. Keep one of them."]

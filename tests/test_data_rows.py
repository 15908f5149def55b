"""Data rows out of tables: what the platform's client takes, and what is wrong with a table, by line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from annokit.cli import app
from annokit.data_rows import payloads, write
from annokit.errors import InputError, UsageError

HEADER = (
    "row_data,global_key,external_id,media_type,metadata///number///n,metadata///datetime///d,"
    "metadata///enum///e,attachment///image///before,note\n"
)


def table(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(HEADER + "\n".join(lines), encoding="utf-8")
    return path


def test_every_column(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "https://example.com/a.jpg,k1,a.jpg,image,5256,03/05/1908 12:13 PM,C,https://example.com/b.jpg,x",
        '"{""pdf_url"": ""u"", ""text_layer_url"": ""t""}",k2,,,0.5,2024-05-01T12:00:00+02:00,,,',
        '"{ no object",,,,,,,,',
    )
    found = payloads(path)
    assert (found.problems, found.ignored) == ([], ["note"])
    assert found.rows == [
        {
            "row_data": "https://example.com/a.jpg",
            "global_key": "k1",
            "external_id": "a.jpg",
            "media_type": "IMAGE",
            "metadata_fields": [
                {"name": "n", "value": 5256},
                {"name": "d", "value": "1908-03-05T12:13:00+00:00"},
                {"name": "e", "value": "C"},
            ],
            "attachments": [{"type": "IMAGE", "value": "https://example.com/b.jpg", "name": "before"}],
        },
        {
            "row_data": {"pdf_url": "u", "text_layer_url": "t"},
            "global_key": "k2",
            "metadata_fields": [
                {"name": "n", "value": 0.5},
                {"name": "d", "value": "2024-05-01T12:00:00+02:00"},
            ],
        },
        {"row_data": "{ no object"},
    ]


def test_parquet_and_arrow_give_the_same(tmp_path: Path) -> None:
    found = pa.table(
        {"row_data": ["u", "v"], "global_key": ["a", None], "metadata///string///city": ["Bonn", ""]}
    )
    pq.write_table(found, tmp_path / "rows.parquet")
    assert (
        payloads(tmp_path / "rows.parquet").rows
        == payloads(found).rows
        == [
            {"row_data": "u", "global_key": "a", "metadata_fields": [{"name": "city", "value": "Bonn"}]},
            {"row_data": "v"},
        ]
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (",k,,,,,,,", "expected row_data, got an empty cell"),
        ("u,k1,,,,,,,", "the global key k1 stands in line 2 already"),
        ("u,k,,,x,,,,", "expected a number as n, got x"),
        ("u,k,,,nan,,,,", "expected a number as n, got nan"),
        ("u,k,,,,yesterday,,,", "expected a time as d, got yesterday"),
        ("u,k,,hologram,,,,,", "expected a media type, got HOLOGRAM"),
    ],
)
def test_a_bad_line_is_named(line: str, problem: str, tmp_path: Path) -> None:
    path, target = table(tmp_path, "u,k1,,,,,,,", line), tmp_path / "out.ndjson"
    with pytest.raises(InputError, match=rf"rows\.csv:3.*{problem}"):
        write(path, target)
    assert not target.exists()
    found = write(path, target, on_error="skip")
    assert (len(found.rows), len(found.problems)) == (1, 1)
    assert [json.loads(text) for text in target.read_text().splitlines()] == found.rows


def test_a_line_of_more_cells_than_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("row_data,global_key\nhttps://x/d,e.jpg,key1\nhttps://x/f.jpg,key2\nhttps://x/g.jpg\n")
    said = r"rows\.csv:2: expected 2 cells, got 3 \(a cell with a comma in it stands in quotes\)"
    with pytest.raises(InputError, match=said):
        write(path, tmp_path / "out.ndjson")
    found = write(path, tmp_path / "out.ndjson", on_error="skip")
    assert len(found.problems) == 1
    assert found.rows == [
        {"row_data": "https://x/f.jpg", "global_key": "key2"},
        {"row_data": "https://x/g.jpg"},
    ]


def test_a_record_is_named_by_the_line_in_which_it_starts(tmp_path: Path) -> None:
    path = table(tmp_path, '"a\nb\nc",k1,,,,,,,', "", '"a\nb",k1,,,,,,,', "u,k2,,,x,,,,")
    assert [str(one).partition(": ")[::2] for one in payloads(path).problems] == [
        (f"{path}:6", "the global key k1 stands in line 2 already"),
        (f"{path}:8", "expected a number as n, got x"),
    ]


def test_bad_lines_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    path = table(tmp_path, ",k,,,,,,,", "u,k,,,x,,,,", "u,k,,hologram,,,,,")
    with pytest.raises(InputError) as caught:
        write(path, tmp_path / "out.ndjson")
    assert str(caught.value).count("; line ") == 2
    assert "line 3: expected a number as n, got x; line 4: expected a media type" in str(caught.value)
    with pytest.raises(InputError, match=r"line 21: .*; and 3 more lines \(--on-error skip names all\)"):
        write(table(tmp_path, *[",k,,,,,,,"] * 23), tmp_path / "out.ndjson")


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a table, got a folder"):
        payloads(tmp_path)


def test_columns_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a column row_data, got url"):
        payloads(pa.table({"url": ["u"]}))
    with pytest.raises(
        UsageError, match="expected a column metadata///TYPE///NAME, got metadata///colour///x"
    ):
        payloads(pa.table({"row_data": ["u"], "metadata///colour///x": ["a"]}))
    (tmp_path / "twice.csv").write_text("row_data,row_data\nu,v\n")
    with pytest.raises(InputError, match="the column row_data stands twice"):
        payloads(tmp_path / "twice.csv")
    (tmp_path / "binary.csv").write_bytes(b"row_data\n\xff\xfe\n")
    with pytest.raises(InputError, match="a CSV table in UTF-8"):
        payloads(tmp_path / "binary.csv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot read it as Parquet"):
        payloads(tmp_path / "bad.parquet")
    (tmp_path / "empty.csv").write_text("row_data\n")
    assert payloads(tmp_path / "empty.csv").rows == []


def test_labelsparks_own_tables(shared: Path) -> None:
    folder = shared / "labelbox" / "labelspark"
    counts = {path.stem: len(payloads(path).rows) for path in sorted(folder.glob("*.csv"))}
    assert counts == {"annotations": 3, "attachments": 10, "full-import": 3, "metadata": 10, "urls": 10}
    first = payloads(folder / "metadata.csv").rows[0]["metadata_fields"]
    assert [(one["name"], one["value"]) for one in first] == [
        ("labelspark-String", "Raw Text String 0"),
        ("labelspark-Number", 5256),
        ("labelspark-Enum", "C"),
        ("labelspark-Datetime", "1908-03-05T12:13:00+00:00"),
    ]


class Offline:
    """What the client needs of a connection to check data rows."""

    sent = b""

    def upload_data(self, content: bytes, **_: object) -> str:
        self.sent = content
        return "somewhere"

    def get_data_row_metadata_ontology(self) -> Offline:
        return self

    def parse_upsert_metadata(self, fields: object) -> object:
        return fields


def test_the_platforms_client_takes_them(tmp_path: Path) -> None:
    from labelbox.schema.internal.descriptor_file_creator import DescriptorFileCreator

    path = table(
        tmp_path,
        "https://example.com/a.jpg,k1,a.jpg,image,1,,C,https://example.com/b.jpg,",
        '"{""pdf_url"": ""https://example.com/u"", ""text_layer_url"": ""https://example.com/t""}",k2,,,,,,,',
    )
    rows = payloads(path).rows
    client = Offline()
    DescriptorFileCreator(client).create_one([dict(row) for row in rows])
    assert sorted(json.loads(client.sent), key=lambda one: str(one["global_key"])) == rows


def test_the_command(tmp_path: Path) -> None:
    path, target = table(tmp_path, "u,k,,,,,,,", "v,k,,,,,,,"), tmp_path / "out.ndjson"
    arguments = ["data-rows", str(path), "-o", str(target), "--on-error", "skip"]
    result = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert result.return_value == 1
    assert "rows.csv:3: the global key k stands in line 2 already" in result.output
    assert "1 data row written" in result.output

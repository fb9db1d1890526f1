import struct

from snn_zo.runs.table_file import TableFile, write_matrix


def test_append_writes_rows_at_once(tmp_path):
    table = TableFile(tmp_path / "metrics.csv")
    table.append({"epoch": 0, "loss": 0.5})
    assert table.path.read_text() == "epoch,loss\n0,0.5\n"
    table.append({"epoch": 1, "loss": 0.25})
    assert table.rows() == [{"epoch": "0", "loss": "0.5"}, {"epoch": "1", "loss": "0.25"}]


def test_append_adds_new_columns_and_leaves_missing_ones_blank(tmp_path):
    table = TableFile(tmp_path / "metrics.csv")
    table.append({"epoch": 0, "loss": 0.5})
    table.append({"epoch": 1, "acc": 0.75})
    TableFile(table.path).append({"epoch": 2, "loss": 0.125, "acc": 1.0})
    assert table.path.read_text() == "epoch,loss,acc\n0,0.5,\n1,,0.75\n2,0.125,1\n"


def test_append_keeps_every_float32_apart(tmp_path):
    one = struct.unpack("f", struct.pack("I", 0x3F800001))[0]
    table = TableFile(tmp_path / "metrics.csv")
    table.append({"value": one})
    assert float(table.rows()[0]["value"]) != 1.0
    assert struct.pack("f", float(table.rows()[0]["value"])) == struct.pack("f", one)


def test_write_matrix(tmp_path):
    write_matrix(tmp_path / "confusion.csv", [[3, 0], [1, 2]])
    assert (tmp_path / "confusion.csv").read_text() == "3,0\n1,2\n"


def test_a_row_that_was_cut_short_is_dropped(tmp_path):
    """As a full disk or a kill leaves it: neither read as another epoch nor continued on its line."""
    table = TableFile(tmp_path / "table.csv")
    for epoch in (0, 1):
        table.append({"epoch": epoch, "loss": 0.5, "acc": 0.25})
    with table.path.open("a") as file:
        file.write("1,0.")
    assert [row["epoch"] for row in table.rows()] == ["0", "1"]
    table.keep(lambda row: int(row["epoch"]) < 2)
    table.append({"epoch": 2, "loss": 0.5, "acc": 0.25})
    assert table.path.read_text().splitlines() == ["epoch,loss,acc", "0,0.5,0.25", "1,0.5,0.25", "2,0.5,0.25"]


def test_a_last_row_without_its_end_is_no_row(tmp_path):
    """Its last number may have lost digits."""
    table = TableFile(tmp_path / "table.csv")
    table.append({"epoch": 0, "loss": 0.5})
    table.append({"epoch": 1, "loss": 0.25})
    table.path.write_bytes(table.path.read_bytes()[:-1])
    assert [row["epoch"] for row in table.rows()] == ["0"]
    assert table.epochs() == 1


def test_epochs_counts_up_to_the_first_that_is_missing(tmp_path):
    table = TableFile(tmp_path / "table.csv")
    assert table.epochs() == 0
    for epoch in (0, 1, 3):
        table.append({"epoch": epoch, "loss": 0.5})
    assert table.epochs() == 2
    table.path.write_bytes(table.path.read_bytes() + b"\0\0\xff,\0\n")
    assert table.epochs() == 2

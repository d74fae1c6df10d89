"""What lies beside the photographs is counted, whatever else lies there."""

from pathlib import Path

from platewatch.photographs import left_alone


def test_a_link_in_a_circle_hides_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "again.png").symlink_to("again.png")
    (tmp_path / "notes.txt").symlink_to("notes.txt")
    (tmp_path / "plate.gif").touch()
    (tmp_path / "day").mkdir()
    found = left_alone.in_folder(tmp_path)
    assert (found.files, found.folders) == (("notes.txt", "plate.gif"), ("day",))

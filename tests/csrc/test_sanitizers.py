"""What `python -m tests.sanitize` makes of its sanitizers' reports."""

from tests import sanitize


def test_what_a_sanitizer_found_is_told_and_memory_that_was_refused_is_no_finding(tmp_path, capsys):
    (tmp_path / "report.1").write_text("==1==WARNING: AddressSanitizer failed to allocate 0x10000000000000 bytes\n")
    assert sanitize._show(tmp_path) == 0
    (tmp_path / "report.2").write_text("WARNING: ThreadSanitizer: data race (pid=2)\n")
    assert sanitize._show(tmp_path) == 1
    assert "data race" in capsys.readouterr().err

"""The benchmark of hashing at a tiny size; nothing here is timed."""

from workbench.bench.hashing import OURS, SORT, HashingSizes, bench_hashing


def test_others_lie_between_our_bounds() -> None:
    report = bench_hashing(HashingSizes(20, 3000, 16, 10, True, 1))
    found = {row.method: row.floor for row in report.rows if "full rankings" in row.case}
    low, high = map(float, found.pop(OURS).split("[")[1].rstrip("]").split(", "))
    assert SORT in found
    for figure in found.values():
        assert low <= float(figure) <= high
    assert any("all 3,000 codes as queries" in row.case for row in report.rows)
    assert not any("one core" in target.name for target in report.targets)

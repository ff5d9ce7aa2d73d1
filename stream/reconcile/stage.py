"""Reconciliation as a whole: invoice lines and estimates in, a report and its records out. Pure."""

from collections.abc import Container, Iterable, Mapping
from typing import Final

from stream.collect.reader import Rejected
from stream.reconcile.calibration import calibrate
from stream.reconcile.focus import Export
from stream.reconcile.ledger import Ledger
from stream.reconcile.matching import DayKey, basis_of, by_day
from stream.reconcile.report import Report
from stream.reconcile.variance import Coverage, compare
from stream.schema import calibrations, dead_letters, invoices, topics, variances
from stream.schema.calibrations import Calibration
from stream.stage import Output

_ONE: Final = 0  # the topics written here have one partition

Estimates = Mapping[tuple[str, str, str, str], int]


def reconcile(
    export: Export,
    estimates: Estimates,
    as_of_ms: int,
    *,
    calibrated_nusd: Estimates | None = None,
    partial: Container[tuple[str, str, str, str]] = (),
    current: Iterable[Calibration] = (),
    ledger: Ledger | None = None,
) -> Report:
    """Compare one delivery of invoices with the estimates of its days.

    estimates: nano-dollars by (provider, account, service, UTC day as `YYYY-MM-DD`), in the words of the
        invoice: provider `aws`, `azure`, `gcp`, `oracle` or its name; account = SubAccountId, else
        BillingAccountId; service = ServiceName.
    calibrated_nusd: the part of each estimate that a factor added. Without it factors already applied
        would be measured again and undo themselves.
    partial: the keys and days of `estimates` of which not all was metered or is held: they show, but no
        factor rests on them.
    as_of_ms: now, in UTC epoch milliseconds: it decides which days are complete and which are final.
    current: the factors that hold so far.
    ledger: earlier deliveries, to which this one is added; it takes the place of its billing periods.
    """
    ledger = Ledger() if ledger is None else ledger
    ledger.take(export.lines)
    basis = basis_of(ledger)
    invoiced = by_day(ledger, basis, as_of_ms)
    known = {DayKey(*key): nusd for key, nusd in estimates.items()}
    added = {DayKey(*key): nusd for key, nusd in (calibrated_nusd or {}).items()}
    compared = compare(invoiced, known, added, basis, as_of_ms)
    covered = Coverage(invoiced)
    return Report(
        lines=export.lines,
        rejected=export.rejected,
        variances=compared,
        outcomes=calibrate(compared, current, partial, as_of_ms),
        basis=basis,
        outside_nusd=sum(nusd for key, nusd in known.items() if key not in covered and key not in invoiced),
    )


def outputs(report: Report, as_of_ms: int) -> list[Output]:
    """The records of a report: its lines, variances and new factors, and what could not be read."""
    return [
        *(Output(topics.INVOICES, invoices.key(each), invoices.encode(each), _ONE) for each in report.lines),
        *(
            Output(topics.VARIANCES, variances.key(each), variances.encode(each), _ONE)
            for each in report.variances
        ),
        *(
            Output(topics.CALIBRATIONS, calibrations.key(each), calibrations.encode(each), _ONE)
            for each in report.calibrations
        ),
        *(
            Output(topics.DEAD_LETTERS, b"invoices/0", dead_letters.encode(_letter(row, as_of_ms)), _ONE)
            for row in report.rejected
        ),
    ]


def _letter(row: Rejected, as_of_ms: int) -> dead_letters.DeadLetter:
    """`offset` is the row in its file, counted from 1: a row that was not read has no place in the log."""
    return dead_letters.DeadLetter(
        topic=topics.INVOICES,
        partition=_ONE,
        offset=row.row,
        timestamp_ms=as_of_ms,
        reason=dead_letters.Reason.UNREADABLE_ROW,
        detail=row.reason,
        cost_nusd=0,
        original=dead_letters.pack_original(row.raw),
        original_bytes=len(row.raw),
    )

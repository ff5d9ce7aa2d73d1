"""Reconciliation as a whole: invoice lines and estimates in, a report and its records out. Pure."""

from collections.abc import Container, Iterable, Mapping

from stream.reconcile.calibration import calibrate
from stream.reconcile.focus import Export
from stream.reconcile.ledger import Ledger
from stream.reconcile.matching import DayKey, basis_of, by_day
from stream.reconcile.report import Report
from stream.reconcile.variance import Coverage, compare
from stream.schema import calibrations, invoices, topics, variances
from stream.schema.calibrations import Calibration

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


def records(report: Report) -> dict[str, list[bytes]]:
    """What to write, by topic. Factors come last: when they hold, what they rest on is written."""
    return {
        topics.INVOICES: [invoices.encode(each) for each in report.lines],
        topics.VARIANCES: [variances.encode(each) for each in report.variances],
        topics.CALIBRATIONS: [calibrations.encode(each) for each in report.calibrations],
    }

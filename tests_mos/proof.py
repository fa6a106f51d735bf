"""Check a design by counting; the checker shares no code with the maker."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, product

from tests_mos.plans import Design

__all__ = ["Line", "Proof", "Range", "prove"]


@dataclass(frozen=True)
class Range:
    """Smallest and largest of some counts."""

    low: float
    high: float

    @property
    def spread(self) -> float:
        """Difference of the two."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" if self.spread else f"{self.low:g}"


@dataclass(frozen=True)
class Line:
    """One property of the design.

    Parameters
    ----------
    promised : a design without it is refused; the others are reported only.
    """

    name: str
    passed: bool
    promised: bool
    detail: str


@dataclass(frozen=True)
class Proof:
    """What was counted in a design.

    Parameters
    ----------
    cells : ratings per (system, utterance).
    system_totals : ratings per system.
    systems_per_listener : largest difference, within a listener, between two systems' counts.
    utterance_hearings : how often a listener hears one utterance.
    stimulus_hearings : most often a listener hears one and the same stimulus.
    repeated_ratings : ratings of a stimulus that the listener has rated before.
    smallest_gap : fewest trials from an utterance to its repeat; None without repeats.
    positions : how often a system stands at one position of the session.
    follows : how often one system comes directly after another one.
    same_again : how often a system comes directly after itself.
    utterance_position : mean relative position of the utterances, 0 first to 1 last.
    """

    n_seats: int
    n_trials: int
    cells: Range
    system_totals: Range
    systems_per_listener: int
    utterance_hearings: Range
    stimulus_hearings: int
    repeated_ratings: int
    smallest_gap: int | None
    positions: Range
    follows: Range
    same_again: int
    utterance_position: Range
    lines: tuple[Line, ...] = ()

    @property
    def passed(self) -> bool:
        """True if every promise holds."""
        return all(line.passed for line in self.lines if line.promised)


def prove(design: Design) -> Proof:
    """Count what a design promises: cells, repeats, order, position and carry-over."""
    counted = _count(design)
    lines = tuple(_lines(counted, len(design.systems), len(design.utterances)))
    return Proof(**{**vars(counted), "lines": lines})


def _count(design: Design) -> Proof:
    seats = [[cell for planned in plan for cell in planned.stimuli] for plan in design.seats]
    systems, utterances = design.systems, design.utterances
    cells = Counter(cell for seat in seats for cell in seat)
    by_system = [Counter(system for system, _ in seat) for seat in seats]
    by_utterance = [Counter(utterance for _, utterance in seat) for seat in seats]
    totals: Counter[str] = sum(by_system, Counter())
    follows = Counter((before[0], after[0]) for seat in seats for before, after in pairwise(seat))
    others = [follows[a, b] for a, b in product(systems, systems) if a != b]
    n_trials = max(map(len, seats))
    positions = [
        Counter(seat[place][0] for seat in seats if place < len(seat)) for place in range(n_trials)
    ]
    gaps = [gap for seat in seats for gap in _gaps(utterance for _, utterance in seat)]
    return Proof(
        n_seats=len(seats),
        n_trials=n_trials,
        cells=_range(cells[cell] for cell in product(systems, utterances)),
        system_totals=_range(totals[system] for system in systems),
        systems_per_listener=max(
            int(_range(counts[system] for system in systems).spread) for counts in by_system
        ),
        utterance_hearings=_range(counts[u] for counts in by_utterance for u in utterances),
        stimulus_hearings=max(max(Counter(seat).values()) for seat in seats),
        repeated_ratings=sum(len(seat) - len(set(seat)) for seat in seats),
        smallest_gap=min(gaps, default=None),
        positions=_range(counts[system] for counts in positions for system in systems),
        follows=_range(others or [0]),
        same_again=sum(follows[system, system] for system in systems),
        utterance_position=_mean_positions(seats),
    )


def _range(counts: Iterable[float]) -> Range:
    values = list(counts)
    return Range(min(values), max(values))


def _gaps(names: Iterable[str]) -> Iterable[int]:
    last: dict[str, int] = {}
    for place, name in enumerate(names):
        if name in last:
            yield place - last[name]
        last[name] = place


def _mean_positions(seats: list[list[tuple[str, str]]]) -> Range:
    places: dict[str, list[float]] = {}
    for seat in seats:
        for place, (_, utterance) in enumerate(seat):
            places.setdefault(utterance, []).append((place + 0.5) / len(seat))
    return _range(sum(found) / len(found) for found in places.values())


def _lines(proof: Proof, n_systems: int, n_utterances: int) -> Iterable[Line]:
    yield Line(
        "ratings per stimulus", proof.cells.spread <= 1, True, f"{proof.cells} (wanted: within 1)"
    )
    yield Line(
        "ratings per system",
        proof.system_totals.spread <= 1,
        True,
        f"{proof.system_totals} (wanted: within 1)",
    )
    yield Line(
        "systems per listener",
        proof.systems_per_listener <= 1,
        True,
        f"counts of one listener differ by {proof.systems_per_listener} at most (wanted: within 1)",
    )
    yield from _utterance_lines(proof, n_utterances)
    unavoidable = -(-proof.n_trials // (n_systems * n_utterances))
    yield Line(
        "repeated stimuli",
        proof.stimulus_hearings <= unavoidable,
        True,
        f"a listener hears one stimulus {proof.stimulus_hearings} time(s) at most "
        f"(unavoidable: {unavoidable})",
    )
    if proof.repeated_ratings:
        yield _repeats_line(proof, n_systems * n_utterances)
    yield Line(
        "position",
        proof.positions.spread <= 2,
        False,
        f"a system stands {proof.positions} times at each position (aim: within 2)",
    )
    yield Line(
        "carry-over",
        proof.follows.spread <= max(2, proof.follows.high / 10),
        False,
        f"a system follows each other one {proof.follows} times, itself {proof.same_again} times "
        "(aim: within 2, or a tenth)",
    )
    yield Line(
        "utterance position",
        True,
        False,
        f"mean place of an utterance in the session {proof.utterance_position.low:.2f} to "
        f"{proof.utterance_position.high:.2f} (0 first, 1 last)",
    )


def _utterance_lines(proof: Proof, n_utterances: int) -> Iterable[Line]:
    heard = proof.utterance_hearings
    if proof.n_trials <= n_utterances:
        detail = f"no listener hears an utterance more than {heard.high:g} time(s) (wanted: once)"
        yield Line("repeated utterances", heard.high <= 1, True, detail)
        return
    detail = (
        f"{proof.n_trials} trials but {n_utterances} utterances: each is heard {heard} times by a "
        "listener (wanted: counts within 1)"
    )
    yield Line("repeated utterances", heard.spread <= 1, True, detail)
    gap = proof.smallest_gap
    soonest = "in the next trial" if gap == 1 else f"{gap} trials later"
    detail = (
        f"a listener hears the same words again, {soonest} at the soonest; "
        f"{_enough(proof, n_utterances)} would avoid it"
    )
    yield Line("familiar utterances", False, False, detail)


def _repeats_line(proof: Proof, n_stimuli: int) -> Line:
    return Line(
        "stimuli rated again",
        False,
        False,
        f"{proof.repeated_ratings} of {proof.n_seats * proof.n_trials} ratings are of a stimulus "
        "that the listener has rated before; every one counts in the analysis, but as the same "
        "listener's they tell less than those of further listeners; "
        f"{_enough(proof, n_stimuli)} would avoid it",
    )


def _enough(proof: Proof, n_trials: int) -> str:
    """As many ratings as planned, in sessions of at most so many trials."""
    n_listeners = -(-proof.n_seats * proof.n_trials // n_trials)
    return f"{n_listeners} listeners x {n_trials} trials"

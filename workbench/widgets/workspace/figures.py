"""Figures of a workspace: ranks, gap and coverings of what is looked at, as one table."""

from collections.abc import Sequence
from html import escape

from workbench.views.scenes.history import SpectrumAt
from workbench.widgets.workspace.state import EIGENVECTOR, SEGMENTS, State
from workbench.widgets.workspace.view import View

_ROW = '<tr><td style="color:#6d737c;padding:1px 10px 1px 0">{}</td><td>{}</td></tr>'


def figures_table(state: State, views: Sequence[View]) -> str:
    """Table in HTML: a row a figure, a column a view.

    Args:
        state: selection.
        views: what is looked at, the main one first.
    """
    if not views:
        return ""
    columns = [_figures(state, each) for each in views]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = [
        _ROW.format(escape(name), "</td><td>".join(escape(c.get(name, "–")) for c in columns))
        for name in names
    ]
    said = dict.fromkeys(view.note for view in views if view.note)
    notes = "".join(f'<p style="margin:4px 0">{escape(note)}.</p>' for note in said)
    return f'<table style="font-size:12px">{"".join(rows)}</table>{notes}'


def _figures(state: State, view: View) -> dict[str, str]:
    spectrum: SpectrumAt = view.spectrum
    k, gap = spectrum.widest
    rows, columns = view.probe.shape
    found = {
        "cells": f"{rows} × {columns}, {view.probe.affinity.features} factors",
        "numerical rank": f"{spectrum.rank}",
        "effective rank of W": f"{spectrum.effective_rank:.2f}",
        "widest eigengap": f"λ{k} − λ{k + 1} = {gap:.4f}",
    }
    if state.overlay == EIGENVECTOR and state.pixels:
        number, (y, x) = min(state.eigenvector, view.eigenvectors), state.pixels[-1]
        if view.contains((y, x)):
            value = view.component(number, (y, x))
            found[f"eigenvector {number} at x {x}, y {y}"] = f"{value:.3f}"
    if state.overlay == SEGMENTS:
        labels = view.cut(state)
        found["segments"] = f"{int(labels.max())}"
        each = view.coverings(labels)
        if len(each):
            found["covering of annotators"] = ", ".join(f"{value:.3f}" for value in each)
            found["best, average covering"] = f"{each.max():.3f}, {each.mean():.3f}"
    return found

"""The conformance suite, for layers of this project and of others. Needs pytest, and no more.

A layer joins in a test file of its own:

    from workbench.testing import TIES, Case, conformance, conjugation

    test_my_layers = conformance(
        [
            Case(
                name="log",
                function=lambda a: log(a).value,          # tensors in; a tensor or several out
                inputs=lambda draw: (draw.symmetric(),),  # an example of the batch, sizes, spectrum
                oracle=dense_log,                         # by other means; autograd differentiates
                sizes=((4,), (0,), (1,)),                 # what the draw's `sizes` may be
                spectra=TIES,                             # degenerate inputs on which it is defined
                symmetries=(conjugation(),),
            ),
            Case.of_layer(                                # buffers, training and evaluation
                name="batch-normalised covariance",
                make=lambda: NormalisedCovariance(3),
                inputs=lambda draw: (draw.positive(*draw.sizes),),
                sizes=((3, 4),),
                refuses=None,                             # NaN passes through
            ),
        ]
    )

That is one test a case and property, `CHECKS` lists the properties. Fields of `Case` say what a
layer does not do (`second_order=False`).
"""

from workbench.testing.case import Case, State, Symmetry, derivatives, relative_error
from workbench.testing.conformance import CHECKS, checks_of, conformance
from workbench.testing.draw import DEFICIENT, SMALL, TIES, Draw, eigenvalues, orthogonal
from workbench.testing.symmetries import conjugation, permutation, rotation_of_rows

__all__ = [
    "CHECKS",
    "DEFICIENT",
    "SMALL",
    "TIES",
    "Case",
    "Draw",
    "State",
    "Symmetry",
    "checks_of",
    "conformance",
    "conjugation",
    "derivatives",
    "eigenvalues",
    "orthogonal",
    "permutation",
    "relative_error",
    "rotation_of_rows",
]

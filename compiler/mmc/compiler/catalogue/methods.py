"""The methods that learn from events, and MadMiner's types of estimators, each declared once.

The losses are those of arXiv:1805.00020 and arXiv:1808.00973, and of arXiv:2410.07315 and arXiv:2211.02058 for
polynomials in the parameters. Rules, plan, jobs and documentation read these
declarations, and the enums of the schema equal them: to add a method of a known family, change only this module and
the schema.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmc.compiler.catalogue.histograms import ADAPTIVE_SALLY, SALLINO, SALLY, ScoreLikelihood


@dataclass(frozen=True)
class EstimatorType:
    """One of MadMiner's types of estimators."""

    name: str
    madminer_class: str
    """The module and name of its class."""
    network: str
    """The network, for the documentation."""
    denominator: str
    """The denominator of its limits, for the documentation."""
    takes_parameters: bool = True
    """Whether the parameters are inputs of the network, in addition to the observables."""
    scales_parameters: bool = True
    """Whether the parameters can be scaled before they enter the network."""
    varies_with_denominator: bool = False
    """Whether the parameters of the denominator are inputs of the network too."""
    is_density: bool = False
    """Whether it learns p(x | θ) itself."""
    is_morphing_aware: bool = False
    """Whether it is quadratic in the parameters by construction; it then cannot depend on nuisance parameters."""
    takes_morphing_matrix: bool = False
    """Whether it needs the components and the matrix of the morphing."""
    is_quadratic: bool = False
    """Whether it needs weights with each parameter's square and no higher power."""
    has_dropout: bool = True
    needs_hidden_layer: bool = False
    own_hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """The hyperparameters that no other type has, with MadMiner's defaults."""
    is_portable: bool = False
    """Whether :mod:`mmc.jobs.tracking.network` can write it as one torch module."""
    is_polynomial: bool = False
    """Whether it gives the coefficients of a polynomial in the parameters as functions of x."""
    is_one_at_denominator: bool = False
    """Whether its ratio is 1 at θ0 = θ1 by construction, as of densities of the same events."""

    @property
    def takes_any_denominator(self) -> bool:
        """Whether its ratio can have any denominator, rather than only the one of the training."""
        return self.varies_with_denominator or self.is_density or self.is_polynomial

    @property
    def gives_ratio(self) -> bool:
        """Whether it estimates a ratio or a density at any point, rather than a score at one."""
        return self.takes_parameters or self.is_polynomial

    @property
    def can_learn_nuisance(self) -> bool:
        """Whether it can depend on nuisance parameters."""
        return not (self.is_morphing_aware or self.is_polynomial)


PARAMETERIZED = EstimatorType(
    "parameterized_ratio",
    "madminer.ml.parameterized_ratio.ParameterizedRatioEstimator",
    network="one network of θ0 and x",
    denominator="`theta1`, a single point",
    is_portable=True,
)
DOUBLE = EstimatorType(
    "double_parameterized_ratio",
    "madminer.ml.double_parameterized_ratio.DoubleParameterizedRatioEstimator",
    network="one network of θ0, θ1 and x, antisymmetric",
    denominator="the true point; `theta1` can be drawn at random, like `theta0`",
    varies_with_denominator=True,
    is_one_at_denominator=True,
)
MORPHING_AWARE = EstimatorType(
    "morphing_aware_ratio",
    "madminer.ml.morphing_aware.MorphingAwareRatioEstimator",
    network="one network of x for each element of the morphing basis",
    denominator="`theta1`, a single point",
    scales_parameters=False,
    is_morphing_aware=True,
    takes_morphing_matrix=True,
)
QUADRATIC = EstimatorType(
    "quadratic_morphing_aware_ratio",
    "mmc.jobs.madminer.quadratic_ratio.QuadraticRatioEstimator",
    network="one network of x for a vector a and a matrix B: (1 + a·δ)² + \\|B δ\\|², δ = θ - θ1, arXiv:2007.10356",
    denominator="`theta1`, a single point",
    scales_parameters=False,
    is_morphing_aware=True,
    takes_morphing_matrix=True,
    is_quadratic=True,
    is_one_at_denominator=True,
)
SCORE_ESTIMATOR = EstimatorType(
    "score",
    "madminer.ml.score.ScoreEstimator",
    network="one network of x",
    denominator="`theta` of sallino",
    takes_parameters=False,
    scales_parameters=False,
    is_portable=True,
)
FLOW = EstimatorType(
    "likelihood",
    "madminer.ml.likelihood.LikelihoodEstimator",
    network="`n_mades` autoregressive layers",
    denominator="the true point",
    is_density=True,
    has_dropout=False,
    needs_hidden_layer=True,
    own_hyperparameters={"n_components": 1, "n_mades": 5, "batch_norm": None},
)
POLYNOMIAL_RATIO = EstimatorType(
    "polynomial_ratio",
    "madminer.ml.score.ScoreEstimator",
    network="one network of x for all coefficients of a polynomial in θ, arXiv:2211.02058",
    denominator="the true point",
    takes_parameters=False,
    scales_parameters=False,
    is_portable=True,
    is_polynomial=True,
)
ESTIMATORS: Mapping[str, EstimatorType] = {
    kind.name: kind
    for kind in (SCORE_ESTIMATOR, FLOW, PARAMETERIZED, DOUBLE, MORPHING_AWARE, QUADRATIC, POLYNOMIAL_RATIO)
}
"""All types of estimators by name."""


@dataclass(frozen=True)
class Family:
    """Methods that estimate the same quantity."""

    name: str
    points: tuple[str, ...]
    """The keys of the parameter points at which a method draws samples."""
    varied: tuple[str, ...]
    """The keys among them that can be several points with every estimator; the others are single points."""
    estimators: tuple[EstimatorType, ...]
    """The types of estimators for this quantity, the default first."""

    @property
    def estimator(self) -> EstimatorType:
        """The default estimator."""
        return self.estimators[0]

    def estimator_of(self, name: str | None) -> EstimatorType:
        """The estimator of that name, or the default if the family has no estimator of that name."""
        return next((kind for kind in self.estimators if kind.name == name), self.estimator)


RATIO = Family("ratio", ("theta0", "theta1"), ("theta0",), (PARAMETERIZED, DOUBLE, MORPHING_AWARE, QUADRATIC))
SCORE = Family("score", ("theta",), (), (SCORE_ESTIMATOR,))
LIKELIHOOD = Family("likelihood", ("theta",), ("theta",), (FLOW,))
POLYNOMIAL = Family("polynomial", ("theta",), ("theta",), (POLYNOMIAL_RATIO,))
METHOD_FAMILIES = (RATIO, SCORE, LIKELIHOOD, POLYNOMIAL)


@dataclass(frozen=True)
class LearningMethod:
    """One of MadMiner's losses, or one that mmc adds, and its family of estimators."""

    name: str
    family: Family
    learns: str
    """What the method learns, for the documentation."""
    joint_ratio: bool = False
    """Whether the loss contains the joint likelihood ratio."""
    score_term: bool = False
    """Whether the loss has a term with the joint score, with weight ``alpha``."""
    likelihoods: tuple[ScoreLikelihood, ...] = ()
    """The possible likelihoods of a score method, the default first."""
    loss: str = ""
    """MadMiner's name of the loss, where it is not that of the method."""

    @property
    def madminer_loss(self) -> str:
        """MadMiner's name of the loss."""
        return self.loss or self.name

    @property
    def joint_score(self) -> bool:
        """Whether it needs the joint score, which follows from morphing."""
        return self.score_term or self.family is SCORE

    @property
    def needs_morphing(self) -> bool:
        """Whether it learns from derivatives of the weights by the parameters."""
        return self.joint_score or self.family is POLYNOMIAL

    @property
    def learns_from(self) -> tuple[str, ...]:
        """What it learns from in addition to the observables."""
        parts = {
            "joint ratio": self.joint_ratio,
            "joint score": self.joint_score,
            "derivatives of the weights": self.family is POLYNOMIAL,
        }
        return tuple(part for part, is_used in parts.items() if is_used)

    @property
    def loss_depends_on(self) -> tuple[str, ...]:
        """The hyperparameters that change the definition of the loss, so that losses cannot be compared."""
        score = ("alpha", "scale_parameters") if self.score_term else ()
        return (*score, "scale_inputs") if self.family is LIKELIHOOD else score

    def likelihood(self, chosen: str | None) -> ScoreLikelihood:
        """The likelihood of a score method: the chosen one if the method has it, else its default."""
        return next((entry for entry in self.likelihoods if entry.name == chosen), self.likelihoods[0])

    def has_bins(self, chosen: str | None) -> bool:
        """Whether its likelihood is that of a histogram with the same bins at all points; see :meth:`likelihood`."""
        return bool(self.likelihoods) and self.likelihood(chosen).fixed

    def foreign_hyperparameters(self, estimator: EstimatorType) -> set[str]:
        """The keys of ``training`` that the method and its estimator do not use."""
        others = {key for kind in ESTIMATORS.values() for key in kind.own_hyperparameters}
        return {
            *(() if self.score_term else ("alpha",)),
            *(() if estimator.scales_parameters else ("scale_parameters",)),
            *(() if estimator.has_dropout else ("dropout_prob",)),
            *(others - {*estimator.own_hyperparameters}),
        }


METHODS: Mapping[str, LearningMethod] = {
    method.name: method
    for method in (
        LearningMethod("carl", RATIO, "the ratio r(x | θ0, θ1), with a classifier"),
        LearningMethod("rolr", RATIO, "the ratio, by regression on the joint ratio", joint_ratio=True),
        LearningMethod("cascal", RATIO, "the ratio as in carl, and the gradient of ln r", score_term=True),
        LearningMethod(
            "rascal", RATIO, "the ratio as in rolr, and the gradient of ln r", joint_ratio=True, score_term=True
        ),
        LearningMethod(
            "alice", RATIO, "the ratio, with a classifier whose target is the joint ratio", joint_ratio=True
        ),
        LearningMethod(
            "alices", RATIO, "the ratio as in alice, and the gradient of ln r", joint_ratio=True, score_term=True
        ),
        LearningMethod(
            "sally",
            SCORE,
            "the score at one point θ; its histogram has all components",
            likelihoods=(SALLY, ADAPTIVE_SALLY),
        ),
        LearningMethod(
            "sallino",
            SCORE,
            "the score as in sally; its histogram has the component along θ - θ_ref",
            likelihoods=(SALLINO,),
        ),
        LearningMethod("nde", LIKELIHOOD, "the likelihood p(x | θ), with masked autoregressive flows"),
        LearningMethod("scandal", LIKELIHOOD, "the likelihood as in nde, and its score", score_term=True),
        LearningMethod(
            "derivatives",
            POLYNOMIAL,
            "the ratio as a polynomial in θ, by regression of its coefficients",
            loss="sally",
        ),
    )
}
"""All methods by name."""
MIXTURE = "mixture"
"""What results call a ratio of several processes, which no network has learned as a whole."""
SUGGESTED = METHODS["alices"]
"""The method that messages propose if a study names no method."""


def names_of(family: Family) -> tuple[str, ...]:
    """The methods of a family."""
    return tuple(method.name for method in METHODS.values() if method.family is family)


def names_with_score_term() -> tuple[str, ...]:
    """The methods whose loss has a score term, weighted by ``alpha``."""
    return tuple(method.name for method in METHODS.values() if method.score_term)

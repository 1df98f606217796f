"""The codes about types of estimators and what they are trained at: see :mod:`mmc.compiler.checks.codes`."""

from mmc.compiler.language.diagnostics import Code

METHOD_CODES: dict[str, Code] = {
    "MMC520": Code(
        "Several points where there is one",
        "Score methods learn the score at one point, and ratio methods the ratio to one denominator, unless the "
        "estimator is `double_parameterized_ratio`, which varies with both.",
    ),
    "MMC521": Code(
        "There is no such estimator for this study",
        "`quadratic_morphing_aware_ratio` is for a single parameter and a denominator at 0; it and "
        "`morphing_aware_ratio` are built on the morphing of the study; the autoregressive layers of likelihood "
        "methods have at least one hidden layer each.",
    ),
    "MMC522": Code(
        "A prior leaves the range of its parameter",
        "One standard deviation reaches beyond it: many points are drawn outside the range that the morphing basis is "
        "chosen for. There, weights are large and of both signs, and few events carry all of the cross section.",
        "warning",
    ),
}

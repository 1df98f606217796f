"""Every diagnostic code with what it means: for ``mmc explain``, the documentation and SARIF.

Codes are never given a second meaning. Families: 0 reading YAML, 1 the language's schema, 2 names and points, 3 events,
4 expressions, 5 methods and evaluation, 6 files and execution.
"""

from collections.abc import Iterable

from mmc.compiler.catalogue.baselines import names_of_limits
from mmc.compiler.checks.event_codes import EVENT_CODES
from mmc.compiler.checks.method_codes import METHOD_CODES
from mmc.compiler.checks.reana_codes import REANA_CODES
from mmc.compiler.expressions.vocabulary import (
    BUILTINS,
    FLAVOUR,
    LIST_FUNCTIONS,
    LISTS,
    MATH,
    METHODS,
    READERS,
    SINGLES,
    SPATIAL,
    TAGS,
    TEMPORAL,
)
from mmc.compiler.language.diagnostics import Code
from mmc.compiler.language.yaml_nodes import MAX_BYTES, MAX_DEPTH, MAX_VALUES

FAMILIES = {
    "0": "reading",
    "1": "schema",
    "2": "names and points",
    "3": "events",
    "4": "expressions",
    "5": "methods and evaluation",
    "6": "files and execution",
}


def family(code: str) -> str:
    """The family of a code.

    >>> family("MMC401")
    'expressions'
    """
    return FAMILIES[code[3]]


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


CODES: dict[str, Code] = {
    # -- 0: reading YAML ----------------------------------------------------------------------------------------------
    "MMC001": Code(
        "The file is no UTF-8 text",
        "A study is text in UTF-8. The file holds a byte or a character that cannot be part of it: it is binary, was "
        "saved in another encoding, or holds a control character. Save it as UTF-8.",
    ),
    "MMC002": Code(
        "The file is too large",
        f"A study has at most {MAX_BYTES:,} bytes; larger files are refused unread. A study names large data, it does "
        "not hold them.",
    ),
    "MMC003": Code(
        "The study is empty",
        "The file holds nothing but blanks and comments. `mmc init` writes a study to start from.",
    ),
    "MMC004": Code(
        "The file is no YAML",
        "The text cannot be read as YAML. Most often a quote or a bracket is not closed, a line is indented "
        "differently from its neighbours, a tab is used for indentation, or text that holds `: ` or ` #`, or starts "
        "with one of ``[ ] { } & * ! | > % @ ` ``, is not in quotes.",
    ),
    "MMC005": Code(
        "The file holds several documents",
        "A line `---` starts a second document. A study is one document; put each into a file of its own.",
    ),
    "MMC006": Code("The study is nested too deeply", f"Nesting ends at {MAX_DEPTH} levels; no study needs as many."),
    "MMC007": Code(
        "An alias stands for nothing, for itself or for too much",
        "YAML's aliases (`*name`) stand for the value that an anchor (`&name`) marks. The anchor must come first, must "
        f"not be around the alias, and a study must hold at most {MAX_VALUES:,} values when aliases are expanded.",
    ),
    "MMC008": Code(
        "A key is given twice",
        "YAML readers silently keep one of two equal keys of a mapping. mmc refuses them: one of the two is not what "
        "was meant.",
    ),
    "MMC009": Code(
        "A key is no text",
        "Keys of a study are names. A list, a mapping, a number, `true` or `null` cannot be one; a number that is "
        "meant as a name must stand in quotes. `<<` takes mappings.",
    ),
    "MMC010": Code(
        "A tag means nothing",
        "Tags (`!!name`) ask a YAML reader to make something else of a value than its text says. A study needs none; "
        "those of YAML 1.2's core schema are accepted where they agree with the value.",
    ),
    "MMC011": Code(
        "A number is out of range",
        "Numbers must be finite, and whole numbers must fit into 64 bits. `.nan`, `.inf` and `1e999` cannot stand in "
        "JSON and mean nothing in a study.",
    ),
    "MMC012": Code(
        "A text holds a control character",
        "Text can hold every printable character of Unicode, blanks, tabs and line breaks. Other control characters "
        "cannot be passed on to every workflow language and are refused, also when they are written as `\\0`.",
    ),
    "MMC013": Code(
        "The study is no mapping",
        'A study is a mapping whose first key is `mmc: "1.0"`. This file holds a list or a single value.',
    ),
    "MMC014": Code(
        "There are more problems than are shown",
        "After fifty problems of a file the others are only counted. Repair the first ones and check again.",
    ),
    # -- 1: schema ----------------------------------------------------------------------------------------------------
    "MMC101": Code(
        "A key is unknown",
        "The language has no such key in this place. Often it is misspelt or belongs one level up or down. Keys that "
        "start with `x-` are free at the top of a study, for notes and for other tools.",
    ),
    "MMC102": Code("A key is missing", "The language needs this key in this place; it has no default."),
    "MMC103": Code(
        "A value is of the wrong type",
        "The value is text where a number is needed, a number where a list is needed, and so on. In YAML `yes` and "
        "`on` are text; conditions are `true` and `false`. A key without a value holds nothing.",
    ),
    "MMC104": Code("A value is none of those allowed", "The language knows a short list of values in this place."),
    "MMC105": Code(
        "A text does not have the form that is needed",
        "Names start with a letter and hold letters, digits, blanks, `-` and `_`: MadMiner, file names and plots carry "
        "them. Colours are `#rrggbb`, images `registry/repository:tag`.",
    ),
    "MMC106": Code("A number is too small or too large", "The language says which numbers make sense in this place."),
    "MMC107": Code(
        "There are too few or too many entries",
        "A list, mapping or text has fewer or more entries than make sense in this place. A point of parameter space "
        "is given in exactly one way.",
    ),
    "MMC108": Code("An entry stands twice in a list", "The entries of this list must differ from each other."),
    "MMC109": Code(
        "The version of the language is not one that this mmc reads",
        'Every study says which version of the language it is written in, as `mmc: "1.0"`, in quotes: without them '
        "YAML makes a number of it. A version, once released, keeps its meaning.",
    ),
    "MMC110": Code(
        "A quantity has no unit, or one that does not fit",
        "Quantities with a dimension carry their unit, so that nobody has to guess: `6500 GeV`, `300 fb^-1`, `4 GiB`, "
        "`2 h`. They are finite and not negative.",
    ),
    "MMC111": Code(
        "The ends of an interval are the wrong way round",
        "Intervals are written [smaller, larger], and the two ends differ.",
    ),
    # -- 2: names and points ------------------------------------------------------------------------------------------
    "MMC201": Code(
        "A benchmark does not exist",
        "The name is none of the study's `benchmarks`. Upper and lower case matter.",
    ),
    "MMC202": Code(
        "A parameter does not exist",
        "The name is none of the study's `parameters`. Upper and lower case matter. MadMiner would ignore the value or "
        "fail in the middle of the workflow.",
    ),
    "MMC203": Code(
        "An observable does not exist",
        "The name is none of the study's `observables`, nor of MadMiner's default ones where the study asks for them.",
    ),
    "MMC204": Code(
        "A method or baseline does not exist",
        f"The name is none of the study's `methods` and none of the baselines {_listed(names_of_limits())}.",
    ),
    "MMC205": Code(
        "A point gives no value for a parameter",
        "A point in parameter space needs a value for each parameter. MadMiner accepts a benchmark that lacks one and "
        "fails later.",
    ),
    "MMC206": Code(
        "Two benchmarks are at the same point",
        "MadMiner's morphing needs benchmarks at different points: with two equal ones the equations have no solution.",
    ),
    "MMC207": Code(
        "Two names become the same",
        "MadMiner writes blanks and `-` in names as `_`, and file names may not tell upper from lower case. Names of "
        "the same kind must still differ then.",
    ),
    "MMC208": Code(
        "A name has a meaning already",
        "An observable cannot have the name of one of the reader's objects or functions, as cuts could not see both, "
        "nor that of a default observable; a benchmark cannot be called `default` nor as MadMiner calls those with "
        "which it completes the basis or that belong to systematic uncertainties; a parameter cannot be called "
        "`in_basis`; a method cannot be called as a baseline.",
    ),
    "MMC209": Code(
        "There are more benchmarks than the morphing basis can hold",
        "All benchmarks but those with `in_basis: false` are part of the morphing basis. It has as many elements as "
        "the squared amplitude has components: the ways of choosing a power for each parameter, none above its "
        "`max_power` and the sum not above `morphing.max_overall_power`. MadMiner fails with more benchmarks than "
        "that.",
    ),
    "MMC210": Code(
        "A point lies outside the parameters' ranges",
        "The true point, a reference point or a point to train at is outside the `range` of a parameter. Nothing is "
        "learned or optimised there. Widen the range or move the point.",
    ),
    "MMC211": Code(
        "A grid or prior reaches outside the parameters' ranges",
        "The grid for limits or a flat prior goes beyond the `range` of a parameter, or a Gaussian prior has its mean "
        "outside. Estimators are not trained there and morphing weights grow. Widen the range or narrow the grid.",
    ),
    "MMC212": Code(
        "A benchmark lies outside the parameters' ranges",
        "MadMiner optimises the morphing basis within the parameters' ranges. A benchmark outside works, but is seldom "
        "what is meant.",
        "warning",
    ),
    "MMC213": Code(
        "The benchmarks cannot span the morphing basis",
        "The points of the benchmarks make the morphing equations singular, whatever points are added: for example "
        "more than three of them on a line for amplitudes that are quadratic. Move one of them.",
    ),
    "MMC214": Code(
        "A systematic uncertainty does not exist",
        "The name is none of the study's `systematics`. Upper and lower case matter.",
    ),
    "MMC215": Code("A group does not exist", "The name is none of the study's `groups`. Upper and lower case matter."),
    "MMC216": Code(
        "A sample does not exist",
        "A group names a sample that the study does not have. Upper and lower case matter.",
    ),
    "MMC217": Code(
        "There are fewer benchmarks than the morphing basis needs",
        "With `complete: false` the benchmarks of the study are the morphing basis, so there must be one for each "
        "component of the squared amplitude: the ways of choosing a power for each parameter, none above its "
        "`max_power` and the sum not above `morphing.max_overall_power`. Benchmarks with `in_basis: false` do not "
        "count.",
    ),
    "MMC218": Code(
        "The reference benchmark lies outside the morphing basis",
        "The first benchmark is the reference: backgrounds are generated there, and cross sections compared. MadMiner "
        "keeps the benchmarks of the basis before all others and takes the first that it has. Let a benchmark of the "
        "basis be the first one.",
    ),
    "MMC219": Code(
        "A sample is in no group",
        "Where a study has groups, the events of each group are combined on their own. The events of this sample are "
        "generated and used by nobody.",
        "warning",
    ),
    **EVENT_CODES,
    # -- 4: expressions -----------------------------------------------------------------------------------------------
    "MMC401": Code(
        "The expression cannot be read",
        "Observables, cuts, efficiencies and transforms are Python expressions. This one has a bracket that is not "
        "closed, an operator without an operand, or a character that means nothing.",
    ),
    "MMC402": Code(
        "The expression uses something that is not allowed",
        "Expressions are arithmetic (`+ - * / // % **`), comparisons, `and`, `or`, `not`, `a if c else b`, indices, "
        f"and loops such as `sum(x.pt for x in j)` over {_listed([*LISTS, *SINGLES])}, with the functions "
        f"{_listed([*MATH, *BUILTINS, *LIST_FUNCTIONS])}. Particles have "
        f"{_listed([*SPATIAL, *TEMPORAL, *FLAVOUR, *TAGS])} and the methods {_listed(METHODS)}. A transform is "
        "arithmetic of `theta` alone, with `abs`, `float`, `max` and `min`. Everything else is refused, because "
        "MadMiner hands expressions to Python's `eval`.",
    ),
    "MMC403": Code(
        "The expression uses a name that the reader does not know",
        "MadMiner would not complain: it would take the default or drop every event. The objects of generated events "
        f"are {_listed(READERS['lhe'])}, those of Delphes {_listed(READERS['delphes'])}; cuts and efficiencies can "
        "also use observables by name, where the name is a Python name. A transform knows `theta`.",
    ),
    "MMC404": Code(
        "The particles have no such attribute or method",
        "MadMiner's particles are four-vectors of the package `vector` with `charge`, `pdgid` and tags. Sums keep the "
        "charge of two particles only, scaled and boosted ones nothing but the momentum, and missing momentum has no "
        "flavour. The PDG code is `pdgid`, whatever MadMiner's documentation says.",
    ),
    "MMC405": Code(
        "The expression mixes things that do not go together",
        "An attribute of a list, an index of a single particle, a number added to a particle, a condition with a sign: "
        "MadMiner would take the default or end with an error. A list needs an index, `j[0].pt`; a condition becomes a "
        "number by `float(…)`; sums of particles start with the sum: `(l[0] + l[1]) + met`.",
    ),
    "MMC406": Code(
        "The result of the expression is of the wrong kind",
        "An observable, an efficiency and a transform are numbers, a cut is a condition.",
    ),
    "MMC407": Code(
        "The expression has no value or takes for ever",
        "It divides by zero, takes the root of a negative number, raises to a power that is not known beforehand or "
        "too large, or is too long or too deeply nested. MadMiner evaluates every expression once when it starts, so "
        "such a one ends or blocks the run. A transform needs a value at every benchmark and at both ends of the "
        "range.",
    ),
    "MMC408": Code(
        "A transform does not depend on the parameter",
        "A transform turns the parameter's value, `theta`, into the number in the param card: `16.52*theta`. One "
        "without `theta` gives every benchmark the same card.",
    ),
    "MMC409": Code(
        "An observable does not depend on the event",
        "A number alone tells no event from another, so nothing can be learned from it. One that has particles in its "
        "definition and still is the same in every event is found when the events are read: the run warns, and no "
        "method is trained on it.",
    ),
    # -- 5: methods and evaluation ------------------------------------------------------------------------------------
    "MMC501": Code(
        "The entry does not say which method it is",
        "The name of an entry of `methods` is also its method, unless `method` says another one: `alices: {…}` or "
        "`wide: {method: alices, …}`.",
    ),
    "MMC502": Code(
        "A method lacks a point to train at",
        "Ratio methods need `theta0` and `theta1`; score methods and likelihood methods need `theta`. The study "
        "language has a table of the methods.",
    ),
    "MMC503": Code(
        "A setting does not belong to the method",
        "The method does not use this setting, so it would be ignored: `theta` is for score and likelihood methods, "
        "`theta0`, `theta1` and `estimator` for ratio methods, `calibration` and `scale_parameters` for all but score "
        "methods, `alpha` for methods whose loss has a score term, `n_components`, `n_mades` and `batch_norm` for "
        "likelihood methods and `dropout_prob` for all others, `nesterov_momentum` for the optimiser sgd, "
        "`early_stopping_patience` for early stopping.",
    ),
    "MMC504": Code(
        "A scan varies what is no hyperparameter, or with values that it cannot take",
        "The keys of `scan` are `training.NAME`, where NAME is a key of `training`; the values are those that the key "
        "itself takes, each once. A range is for numbers, and for the searches `random` and `optuna`, which draw from "
        "it.",
    ),
    "MMC505": Code(
        "A histogram's variable is no observable",
        "Histograms are filled with observables of the study; the name is none of them.",
    ),
    "MMC506": Code(
        "Bins make no sense",
        "Edges increase; logarithmic bins are above zero; bins are given for observables that the histogram has.",
    ),
    "MMC507": Code(
        "A grid or histogram has too many cells",
        "The numbers of points or bins of all axes multiply. Above a million, limits take days and more memory than "
        "machines have.",
    ),
    "MMC508": Code(
        "There are more parameter points than samples",
        "Samples are divided among the points that they are drawn at. With more points than samples some get none.",
    ),
    "MMC509": Code(
        "A prior has no width",
        "The second number of a Gaussian prior is its standard deviation and must be above zero.",
    ),
    "MMC510": Code(
        "Nothing would be evaluated",
        "The study has neither methods nor baselines nor Fisher information, so `evaluation` asks for nothing.",
        "warning",
    ),
    "MMC511": Code("The luminosity is zero", "Without luminosity no events are expected and no limits follow."),
    "MMC512": Code(
        "There is no morphing to learn from",
        "With `morphing: none` nothing is known but the events at the benchmarks. MadMiner draws training samples of "
        "every method together with the joint score, and limits need cross sections at any point: both follow from the "
        "morphing basis. Such a study ends with the combined events.",
    ),
    **METHOD_CODES,
    "MMC530": Code(
        "Observed events cannot be used",
        "The file of observed events is text, comma-separated. Its first row names the columns, in any order: each "
        "observable of the study once, and whatever else. Every other row is an event, with a finite number for each "
        "observable. A file of more than 2 MB is read by its jobs, not when the study is compiled.",
    ),
    "MMC531": Code(
        "An option of the evaluation has no effect",
        "`score_likelihood` is that of the method sally and differs from its default with several parameters only; "
        "without methods, histograms and truth there are no limits without the rate, and without methods, rate and "
        "histograms nobody reads the observed events. `systematics: profile` is for likelihoods that know nuisance "
        "parameters: the rate, histograms, those of score methods, and ratios and densities that were learned with "
        "them (`nuisance_mode: profile`).",
    ),
    "MMC532": Code(
        "There is no systematic uncertainty to profile",
        "Nuisance parameters come from the systematic uncertainties that samples name. Declare them in `systematics` "
        "and name them in the samples that have them, or leave limits at nominal values. The generator `pythia8` has "
        "no uncertainties. What a MadMiner event file has is known when its jobs run.",
    ),
    "MMC541": Code(
        "Losses of different kinds would be compared",
        "With `criterion: validation_loss` the trial with the smallest validation loss is chosen. A hyperparameter "
        "that changes what the loss is, such as `alpha`, the weight of the score term, makes the losses of its trials "
        "numbers of different kinds: the smallest `alpha` would win, whatever the network. Take `criterion: closure` "
        "or `criterion: expected_limit`, which compare what the estimators are good for.",
    ),
    "MMC542": Code(
        "A search has nothing to choose from",
        "`tuning` chooses among the settings of `scan`, so there are at least two, and a random search draws fewer "
        "than all: otherwise it is a grid.",
    ),
    "MMC543": Code(
        "The criterion needs an evaluation",
        "`closure` and `expected_limit` are judged at the luminosity, the true point and on the grid of `evaluation`, "
        "which the study does not have. `validation_loss` needs none of them.",
    ),
    # -- 6: files and execution ---------------------------------------------------------------------------------------
    "MMC601": Code("A file does not exist", "The study names a file that is not there. Paths start at the study."),
    "MMC602": Code(
        "A file lies outside the study's folder",
        "A study is a folder that can be copied, archived and compiled elsewhere, so the files that it names lie "
        "within it. Absolute paths, `..` and links that lead out are refused; copy the file.",
    ),
    "MMC603": Code("A file is none", "The path is a folder, or it cannot be read."),
    "MMC604": Code(
        "An image is not pinned",
        "An image without a tag, or with the tag `latest`, is another one tomorrow. Name a tag or a digest.",
        "warning",
    ),
    "MMC605": Code(
        "A stage that the study does not have is given resources",
        "The study has no such stage, so the resources would be ignored.",
        "warning",
    ),
    "MMC606": Code(
        "A program that no job runs is named",
        "The folder of an installation has no effect: the study does not generate events with MadGraph, or does not "
        "simulate the detector with Delphes.",
        "warning",
    ),
    "MMC607": Code(
        "The folder of a program is no absolute path",
        "Every job runs in a folder of its own, perhaps in a container or on another machine, so the folder of an "
        "installation is an absolute path there. Without one, jobs look at the environment variables "
        "`MMC_MADGRAPH_DIR` and `MMC_DELPHES_DIR`.",
    ),
    "MMC608": Code(
        "A password stands in the study",
        "A study is read, committed and published, and every bundle carries it. What a tracking server asks for comes "
        "from the environment of the jobs: `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or "
        "`MLFLOW_TRACKING_TOKEN`; on REANA from secrets of those names.",
    ),
    **REANA_CODES,
}

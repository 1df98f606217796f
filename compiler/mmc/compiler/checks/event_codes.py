"""The codes about events, which are many: see :mod:`mmc.compiler.checks.codes`."""

from mmc.compiler.language.diagnostics import Code

EVENT_CODES: dict[str, Code] = {
    "MMC301": Code(
        "A number of events makes no sense",
        "Numbers of events, of events per job and of training samples are whole, at least 1, and at most a number that "
        "anybody could generate.",
    ),
    "MMC302": Code(
        "It is not clear where events come from",
        "A study either generates events (`generation`) or uses existing ones (`events`): one of them, and not both.",
    ),
    "MMC303": Code(
        "A parameter does not say what it multiplies",
        "With the generator `pythia8` each parameter is the coefficient of one contact interaction and names it in "
        "`coefficient`. Two parameters cannot have the same one: only their sum could be measured.",
    ),
    "MMC304": Code(
        "Process and kind of sample do not fit",
        "Of the embedded generator, `dimuon` depends on the parameters and is signal; `ww` and `ttbar` do not and need "
        "`background: true`. A background is generated once, at the first benchmark, so its `events` are one number.",
    ),
    "MMC305": Code(
        "There is no signal",
        "No sample of the study, or of a group of samples, depends on the parameters, so nothing can be learned about "
        "them.",
    ),
    "MMC306": Code(
        "The splits leave a part without events",
        "`test_split` and `validation_split` are fractions: each is above 0, and together they stay below 1, so that "
        "training, validation and test all have events.",
    ),
    "MMC307": Code(
        "There are too many jobs",
        "`events` divided by `events_per_job` is the number of jobs, at every benchmark, those included that complete "
        "the morphing basis, and for every slice of phase space. Above 100,000 no workflow engine copes; let each job "
        "generate more events. A scan of more than 500 trainings is taken for a slip unless `allow_trainings` says "
        "how many there may be.",
    ),
    "MMC308": Code(
        "The powers do not fit the model",
        "In the model `four-fermion` the parameters enter the amplitude linearly, so the squared amplitude has powers "
        "up to 2 of each and of all together. With less, morphed weights are wrong.",
    ),
    "MMC309": Code(
        "The phase space is empty",
        "The largest mass is not above the smallest, or the mass or twice the transverse momentum that is asked for is "
        "more than both beams bring along.",
    ),
    "MMC310": Code(
        "A resolution has no effect",
        "A particle code stands in two entries of `smearing`, where MadMiner keeps the last one; or the code is none "
        "that the reader smears; or a resolution is given for the quantity that `on_shell` computes from the others.",
    ),
    "MMC311": Code(
        "A setting has no effect on an existing event file",
        "Observables, cuts, efficiencies, the detector, the morphing basis, systematic uncertainties and the samples "
        "are part of an existing MadMiner file and cannot be changed any more. Leave them out, so that the study does "
        "not claim what is not done.",
    ),
    "MMC312": Code(
        "An observable has no definition",
        "With generated events each observable needs a `definition`.",
    ),
    "MMC313": Code(
        "An observable may be undefined",
        "The expression takes an element of a list, such as `j[0]`, which some events may not have. Without `default` "
        "and `required: true` its value is not a number there, and no network can learn from that.",
        "warning",
    ),
    "MMC314": Code(
        "There are no observables",
        "Without observables there is nothing to learn from. Name some in `observables`, or ask for MadMiner's "
        "standard set with `default_observables: {}`.",
    ),
    "MMC315": Code(
        "Morphing has more powers than the model",
        "In the model `four-fermion` the squared amplitude has powers up to 2 of each parameter and of all together. "
        "With more, morphing needs more benchmarks and its weights are noisier, for components that vanish.",
        "warning",
    ),
    "MMC316": Code(
        "Signal samples are generated at different benchmarks",
        "MadMiner averages the cross sections of the benchmarks at which events were generated, over all signal "
        "samples at once. Each signal sample needs events at the same benchmarks, or its cross section would be wrong.",
    ),
    "MMC317": Code(
        "The phase space reaches the Z resonance",
        "The embedded generator samples `dimuon` without a map of the Z resonance. Below 120 GeV some events would "
        "carry large weights, and the cross section would not be reliable.",
    ),
    "MMC318": Code(
        "A parameter has no place in the param card",
        "MadGraph reads the value of a parameter from the param card: `lha_block` names the block and `lha_id` the "
        "number in it. Each parameter needs both, and no two can have the same.",
    ),
    "MMC319": Code(
        "A setting has no effect",
        "What the study says elsewhere makes this setting mean nothing: a place in a param card where there is none, a "
        "shower whose particles nobody reads, the card of a detector that is not simulated, an efficiency that "
        "MadMiner's reader of Delphes files does not have. Remove one of the two, so that the study does not claim "
        "what is not done.",
    ),
    "MMC320": Code(
        "A setting of a card is the study's alone",
        "Numbers of events, beams, parton distributions, seeds and systematic variations are said once, in the study. "
        "Every job gets its own number of events and its own seed from there, and `mmc` writes them into the cards.",
    ),
    "MMC321": Code(
        "A card contradicts the study",
        "Numbers of events, beams, parton distributions, seeds and systematic variations are said once, in the study, "
        "and written into the cards of every job. A card file that says something else would be overruled in silence: "
        "remove the line, or change the study. A line that agrees with the study may stay, and so may `iseed = 0`. "
        "Every job has its own seed, so no card of Delphes can set it.",
    ),
    "MMC322": Code(
        "A param card lacks a parameter",
        "The study's parameters are set in the param card at their `lha_block` and `lha_id`; MadMiner fails where the "
        "card has no such entry. Without `param_card` the card that MadGraph writes for the process is taken.",
    ),
    "MMC323": Code(
        "A slice of phase space is no slice",
        "The cross sections of slices add up, so slices must not overlap: each needs settings of the run card, and no "
        "two can have the same. Whether different cuts overlap, mmc cannot know.",
    ),
    "MMC324": Code(
        "The order does not fit",
        "A process says by brackets what is corrected, `p p > t t~ [QCD]`, and then its order is `NLO`; without, and "
        "for processes that start with a loop (`[noborn=QCD]`), it is `LO`. MadMiner can run MadGraph at NLO, but "
        "MadGraph then names accurate weights differently from what MadMiner reads, or reweights as if events were at "
        "LO: so signals are generated at LO, with a `k_factor`. Events at NLO are made for one shower, together with "
        "which alone they mean something. Weights of scales and parton distributions are asked for at LO only.",
    ),
    "MMC325": Code(
        "A sample has two uncertainties of the same kind",
        "MadGraph varies the renormalisation scale, the factorisation scale (`mu` is both) and the set of parton "
        "distributions once in each sample; MadMiner fails with more. Uncertainties of the rate (`norm`) have no "
        "limit.",
    ),
    "MMC326": Code(
        "No sample has a systematic uncertainty",
        "`systematics` describes uncertainties; each sample names those that it has. This one is named by none, so it "
        "has no effect.",
        "warning",
    ),
    "MMC327": Code(
        "Delphes needs one card",
        "Delphes does what its card says: a file beside the study (`card`), or one that Delphes ships "
        "(`shipped_card`). Where every event file brings the output of Delphes, none is needed.",
    ),
    "MMC328": Code(
        "Delphes needs showered events",
        "Delphes simulates what stable particles do in a detector, and finds jets of hadrons. The embedded generator "
        "stops at parton level; with MadGraph say `shower: {program: pythia8}`; an event file needs a HepMC file, or "
        "what Delphes made of it. Delphes runs on all event files or on none.",
    ),
    "MMC329": Code(
        "A background's file is of another benchmark than the first",
        "A background does not depend on the parameters, so it has no benchmark of its own; MadMiner reads it at the "
        "reference, the first one.",
    ),
    "MMC330": Code(
        "Signals have different models",
        "The parameters must be entries of the param card, with the same meaning, in the model of every signal. Two "
        "restrictions of one model are fine; a process that does not depend on the parameters is a background.",
        "warning",
    ),
    "MMC331": Code(
        "An event file is given twice",
        "Its events would count twice, once too often for every statistical statement.",
    ),
    "MMC332": Code(
        "A process line is no process",
        "A process line is what follows `generate` in MadGraph, `p p > e+ e- j QCD=1`, and nothing else: mmc writes "
        "the commands. Several processes are a list, whose later entries are added; labels stand in `definitions`, the "
        "model in `model`. A `;` or a line break would start another command, a `#` or `!` a comment.",
    ),
    "MMC333": Code(
        "Jets are matched to the shower",
        "Samples of different numbers of jets overlap once they are showered. MadGraph and Pythia can match them (MLM, "
        "CKKW-L), for which some events are dropped after the shower; mmc checks that every event is there, and does "
        "not support that. Generate one number of jets, or split phase space into slices.",
    ),
    "MMC334": Code(
        "Event files cannot have the weights that complete the basis",
        "Events that exist were reweighted at settled points. The benchmarks that MadMiner adds to complete the "
        "morphing basis lie at random points of this study, so the files have no weights there, or, under the same "
        "names, weights of other points. Name all benchmarks that the files were reweighted at, with their points: "
        "MadGraph writes those into the head of the file, as `set param_card dim6 2 165.2` beside each weight's name.",
    ),
    "MMC335": Code(
        "A part of the events is very small",
        "Training, validation and test events each get their share of the generated events, before cuts. With fewer "
        "than a hundred no network can be trained, chosen or judged. That is fine to try whether a study runs.",
        "warning",
    ),
}
"""From where events are to what the detector makes of them."""

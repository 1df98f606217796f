"""What a study may pass to MadGraph: settings of its run card, entries of its param card, process lines.

MadGraph compiles files that a run card names (``custom_fcts``, ``bias_module``), gives flags to compilers, and
evaluates Python (``scan:[…]`` in a card, ``boost_event``). So a setting passes only if it is in the list and its value
has the type of the setting.
"""

import re
from collections.abc import Iterator, Mapping

from mmc.compiler.inputs import cards
from mmc.compiler.inputs.refusals import Refusal, words

CUTS = words(
    """
    dsqrt_shat dsqrt_shatmax ptj ptb pta ptl misset ptjmax ptbmax ptamax ptlmax missetmax ptheavy ptonium etaonium
    ej eb ea el ejmax ebmax eamax elmax etaj etab etaa etal etajmin etabmin etaamin etalmin etagamma
    drjj drbb drll draa drbj draj drjl drab drbl dral drjjmax drbbmax drllmax draamax drbjmax drajmax drjlmax drabmax
    drblmax dralmax drll_sf mmjj mmbb mmaa mmll mmjjmax mmbbmax mmaamax mmllmax mmnl mmnlmax mll mll_sf ptllmin ptllmax
    xptj xptb xpta xptl ptj1min ptj2min ptj3min ptj4min ptj1max ptj2max ptj3max ptj4max cutuse ptl1min ptl2min ptl3min
    ptl4min ptl1max ptl2max ptl3max ptl4max htjmin htjmax ihtmin ihtmax ht2min ht3min ht4min ht2max ht3max ht4max
    ptgmin r0gamma xn epsgamma isoem xetamin deltaeta
    pt_min_pdg pt_max_pdg e_min_pdg e_max_pdg eta_min_pdg eta_max_pdg mxx_min_pdg mxx_only_part_antipart
    """
)
"""The settings that say in which part of phase space events are generated."""
_NUMBERS = CUTS | words(
    """
    nevents iseed python_seed lpp1 lpp2 ebeam1 ebeam2 polbeam1 polbeam2 nb_proton1 nb_proton2 nb_neutron1 nb_neutron2
    mass_ion1 mass_ion2 lhaid time_of_flight lhe_version gseed gridrun use_syst

    fixed_ren_scale fixed_fac_scale fixed_fac_scale1 fixed_fac_scale2 scale dsqrt_q2fact1 dsqrt_q2fact2
    dynamical_scale_choice scalefact fixed_extra_scale mue_over_ref mue_ref_fixed fixed_qes_scale mur_ref_fixed
    muf_ref_fixed muf1_ref_fixed muf2_ref_fixed qes_ref_fixed mur_over_ref muf_over_ref muf1_over_ref muf2_over_ref
    qes_over_ref rw_rscale rw_fscale reweight_scale reweight_pdf store_rwgt_info sys_scalefact sys_alpsfact
    ievo_eva evaorder eva_xcut fixed_couplings

    ickkw xqcut ktdurham dparameter ptlund highestmult ktscheme alpsfact chcluster pdfwgt asrwgtflavor clusinfo
    auto_ptj_mjj pdgs_for_merging_cut maxjetflavor shower_scale_factor mcatnlo_delta

    nhel limhel sde_strategy bwcutoff cut_decays small_width_treatment me_frame frame_id hel_recycling hel_filtering
    hel_splitamp hel_zeroamp hard_survey job_strategy survey_splitting survey_nchannel_per_job refine_evt_by_job
    second_refine_treshold tmin_for_channel disable_multichannel mc_grouped_subproc vector_size nb_warp vecsize_memmax
    allow_overshoot_events bypass_check xmtcentral d req_acc nevt_job req_acc_fo npoints_fo_grid niters_fo_grid
    npoints_fo niters_fo pineappl iappl gamma_is_j jetalgo jetradius rphreco etaphreco lepphreco quarkphreco
    separate_flavour_configs folding xi_ratio
    """
)
"""The settings with numbers or switches: one, a list, or one for each particle (``{6: 100}``)."""

OWNED = words(
    """
    nevents iseed python_seed ebeam1 ebeam2 lpp1 lpp2 pdlabel pdlabel1 pdlabel2 lhaid
    use_syst gridpack systematics_program systematics_arguments sys_scalefact sys_alpsfact sys_matchscale sys_pdf
    """
)
"""The settings that the study sets: those of a card are dropped."""

_WORD = re.compile(r"'?[A-Za-z0-9_.+-]{0,100}'?")
_NOTHING = re.compile(r"none|false|f|\.false\.|0|\[\s*\]|\{\s*\}|''|\"\"|", re.IGNORECASE)
_ARGUMENT = r"""\s*["']?--(?:mur|muf|alps|dyn|pdf|together)=[A-Za-z0-9_.,@+-]*["']?\s*"""
_OTHERS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("run_tag", "pdlabel", "pdlabel1", "pdlabel2", "event_norm", "parton_shower", "keep_log"), _WORD),
    **dict.fromkeys(("sys_matchscale", "sys_pdf", "systematics_program"), _WORD),
    "systematics_arguments": re.compile(rf"\[?(?:{_ARGUMENT}(?:[,\s]{_ARGUMENT}){{0,20}})?\]?|none", re.IGNORECASE),
    **dict.fromkeys(("global_flag", "aloha_flag", "matrix_flag"), re.compile(r"(?:-O[0-3]?)?")),
    **dict.fromkeys(("gridpack", "bias_module", "bias_parameters", "custom_fcts", "issgridfile"), _NOTHING),
    "boost_event": _NOTHING,
}
"""The other settings, each with its harmless values; MadGraph's own cards have all of them."""

_TOKEN = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[ed][+-]?\d+)?[km]?|true|false|\.true\.|\.false\.|t|f|none|auto|default",
    re.ASCII | re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s,:'\"\[\]{}()]+", re.ASCII)
LONGEST = 500
"""The longest value, in characters."""

_PROCESS = re.compile(r"[A-Za-z0-9_~+.^<>,()\[\]{}@=|$/*: \t-]+")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_OPTION = re.compile(r"(?:^|\s)--\s*[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[ed][+-]?\d+)?", re.ASCII | re.IGNORECASE)
_BLOCK = re.compile(r"block\s+[a-z]\w*(?:\s[a-z0-9_.+=\s-]*)?", re.ASCII | re.IGNORECASE)
_DECAY = re.compile(r"decay\s+[+-]?\d+\s+(\S+)", re.ASCII | re.IGNORECASE)
_INFORMATION = ("spinfo", "dcinfo", "qnumbers")
"""Blocks with words: the program that wrote the card, and names of particles."""
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.,+~-]+")


def run_card_refusal(name: str, value: str, line: int = 0) -> Refusal | None:
    """Why a setting of the run card may not reach MadGraph; None if it may.

    >>> run_card_refusal("ptj", "20.0"), run_card_refusal("pt_min_pdg", "{6: 100}")
    (None, None)
    >>> run_card_refusal("custom_fcts", "['cuts.f']").reason
    'the value of `custom_fcts` would make MadGraph run or read something else'
    """
    known, shown = name.lower(), name[:60]
    if known in _NUMBERS:
        tokens = [token for token in _BETWEEN.split(value) if token]
        good = len(value) <= LONGEST and all(_TOKEN.fullmatch(token) for token in tokens)
        return None if good else Refusal(line, name, f"the value of `{shown}` is not made of numbers and switches")
    if known in _OTHERS:
        good = len(value) <= LONGEST and _OTHERS[known].fullmatch(" ".join(value.split())) is not None
        what = f"the value of `{shown}` would make MadGraph run or read something else"
        return None if good else Refusal(line, name, what)
    return Refusal(line, name, f"`{shown}` is not in the list of settings that mmc passes on")


def run_card_refusals(text: str) -> Iterator[Refusal]:
    """The lines of a run card that may not reach MadGraph; what the study sets does not reach it in any case."""
    for line, raw in enumerate(text.splitlines(), start=1):
        for entry in cards.run_card(raw):
            if entry.name in OWNED:
                break
            found = run_card_refusal(entry.name, entry.value, line)
            if found is not None:
                yield found
            break
        else:
            if "=" in raw.partition("#")[0].partition("!")[0]:
                yield Refusal(line, "", "the text after `=` is not the name of a setting")


def process_refusal(line: str) -> str | None:
    """What a process line contains that no process has; None if it is a process or a list of particles.

    >>> process_refusal("p p > t t~ j QED=0 / a"), process_refusal("p p > j j; shell ls")
    (None, ';')
    """
    option = _OPTION.search(line)
    if option is not None:
        return option[0].strip()
    bad = next((character for character in line if not _PROCESS.fullmatch(character)), None)
    return bad if bad is not None or line.strip() else " "


def reweight_refusal(line: str) -> Refusal | None:
    """Why a line of the study may not reach the reweight card; None if it may.

    >>> reweight_refusal("change process p p > t t~ NP<=1 --add"), reweight_refusal("change mode LO")
    (None, None)
    >>> reweight_refusal("change boost lambda event: 1").reason
    '`change boost` is not in the list of lines that mmc passes on'
    """
    words = line.split()
    start = " ".join(words[:2])
    if start == "change process":
        process = re.sub(r"\s--add\s*$", "", line.split("process", 1)[1])
        good = process_refusal(process) is None and ">" in process
        return None if good else Refusal(0, line, "the text after `change process` is not a process")
    if start == "change model":
        return Refusal(0, line, "with `change model` MadGraph needs a whole param card for each benchmark")
    if len(words) == 3 and _SWITCHES.get(start, re.compile("(?!)")).fullmatch(words[2]):
        return None
    return Refusal(0, line, f"`{start[:60]}` is not in the list of lines that mmc passes on")


_SWITCH = re.compile(r"True|False", re.IGNORECASE)
_SWITCHES: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("change helicity", "change keep_ordering", "change use_eventid"), _SWITCH),
    "change allow_missing_finalstate": _SWITCH,
    "change mode": re.compile(r"LO|NLO|LO\+NLO"),
    "change identical_particle_in_prod_and_decay": re.compile(r"average|max|crash"),
}
"""The other lines of a reweight card that a study may have, each with its values."""


def is_model(text: str) -> bool:
    """Whether a text is the name of an installed model, perhaps with a restriction, and not a path or an option."""
    return _MODEL.fullmatch(text) is not None


def param_card_refusals(text: str) -> Iterator[Refusal]:
    """The lines of a param card that are not blocks, widths, decay channels and numbers.

    >>> [found.line for found in param_card_refusals("Block mass\\n 6 173.0 # top\\n 25 scan:[1, 2]\\nDECAY 6 auto")]
    [3]
    """
    block = ""
    for line, raw in enumerate(text.splitlines(), start=1):
        entry = raw.partition("#")[0].strip()
        start = entry.lower()
        if not entry:
            continue
        if start.startswith("block"):
            good = _BLOCK.fullmatch(entry) is not None
            block = start.split()[1] if good else ""
        elif start.startswith("decay"):
            width = _DECAY.fullmatch(entry)
            good = width is not None and (width[1].lower() == "auto" or _NUMBER.fullmatch(width[1]) is not None)
            block = ""
        elif block in _INFORMATION:
            good = all(_PLAIN_WORD.fullmatch(word) for word in entry.split())
        else:
            good = all(_NUMBER.fullmatch(word) for word in entry.split())
        if not good:
            yield Refusal(line, "", "a line of a param card contains numbers only, after `BLOCK` and `DECAY`")

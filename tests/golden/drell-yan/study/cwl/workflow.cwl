# Compiled by mmc 0.1.0 from the study drell-yan; change the study, not this file.
cwlVersion: v1.2
class: Workflow
id: main
label: "Muon pairs at high mass with two four-fermion contact interactions"
requirements:
  SubworkflowFeatureRequirement: {}
inputs:
  configure_config: File
  generate_config: File
  simulate_config: File
  analyse_config: File
  combine_config: File
  sample_config: File
  train_config: File
  evaluate_config: File
  baselines_config: File
  report_config: File
outputs:
  combine_events: {type: Directory, outputSource: physics/combine_events}
  train_model: {type: "Directory[]", outputSource: learning/train_model}
  evaluate_limits: {type: "Directory[]", outputSource: learning/evaluate_limits}
  baselines_baseline: {type: "Directory[]", outputSource: learning/baselines_baseline}
  report_report: {type: Directory, outputSource: learning/report_report}
steps:
  physics:
    run: physics.cwl
    in:
      configure_config: configure_config
      generate_config: generate_config
      simulate_config: simulate_config
      analyse_config: analyse_config
      combine_config: combine_config
    out: [combine_events]
  learning:
    run: learning.cwl
    in:
      sample_config: sample_config
      train_config: train_config
      evaluate_config: evaluate_config
      baselines_config: baselines_config
      report_config: report_config
      combine_events: physics/combine_events
    out: [train_model, evaluate_limits, baselines_baseline, report_report]

# Compiled by mmc 0.1.0 from the study vbf-higgs-laptop; change the study, not this file.
cwlVersion: v1.2
class: Workflow
id: main
label: "Higgs bosons from weak-boson fusion with two dimension-six operators, with pip packages alone"
requirements:
  SubworkflowFeatureRequirement: {}
inputs:
  configure_config: File
  generate_config: File
  generate_jobs: "string[]"
  simulate_config: File
  simulate_jobs: "string[]"
  analyse_config: File
  analyse_jobs: "string[]"
  combine_config: File
  sample_config: File
  sample_jobs: "string[]"
  train_config: File
  train_jobs: "string[]"
  evaluate_config: File
  evaluate_jobs: "string[]"
  baselines_config: File
  baselines_jobs: "string[]"
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
      generate_jobs: generate_jobs
      simulate_config: simulate_config
      simulate_jobs: simulate_jobs
      analyse_config: analyse_config
      analyse_jobs: analyse_jobs
      combine_config: combine_config
    out: [combine_events]
  learning:
    run: learning.cwl
    in:
      sample_config: sample_config
      sample_jobs: sample_jobs
      train_config: train_config
      train_jobs: train_jobs
      evaluate_config: evaluate_config
      evaluate_jobs: evaluate_jobs
      baselines_config: baselines_config
      baselines_jobs: baselines_jobs
      report_config: report_config
      combine_events: physics/combine_events
    out: [train_model, evaluate_limits, baselines_baseline, report_report]

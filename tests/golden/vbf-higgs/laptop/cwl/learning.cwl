cwlVersion: v1.2
class: Workflow
label: learning
requirements:
  ScatterFeatureRequirement: {}
inputs:
  sample_config: File
  sample_jobs: "string[]"
  train_config: File
  train_jobs: "string[]"
  evaluate_config: File
  evaluate_jobs: "string[]"
  baselines_config: File
  baselines_jobs: "string[]"
  report_config: File
  combine_events: Directory
outputs:
  train_model: {type: "Directory[]", outputSource: train/model}
  evaluate_limits: {type: "Directory[]", outputSource: evaluate/limits}
  baselines_baseline: {type: "Directory[]", outputSource: baselines/baseline}
  report_report: {type: Directory, outputSource: report/report}
steps:
  sample:
    run: tools/sample.cwl
    scatter: [job]
    scatterMethod: dotproduct
    in:
      config: sample_config
      job: sample_jobs
      events: combine_events
    out: [samples]
  train:
    run: tools/train.cwl
    scatter: [job]
    scatterMethod: dotproduct
    in:
      config: train_config
      job: train_jobs
      samples: sample/samples
    out: [model]
  evaluate:
    run: tools/evaluate.cwl
    scatter: [job, model]
    scatterMethod: dotproduct
    in:
      config: evaluate_config
      job: evaluate_jobs
      events: combine_events
      model: train/model
    out: [limits]
  baselines:
    run: tools/baselines.cwl
    scatter: [job]
    scatterMethod: dotproduct
    in:
      config: baselines_config
      job: baselines_jobs
      events: combine_events
    out: [baseline]
  report:
    run: tools/report.cwl
    in:
      config: report_config
      job: {default: report}
      events: combine_events
      model: train/model
      limits: evaluate/limits
      baseline: baselines/baseline
    out: [report]

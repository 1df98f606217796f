cwlVersion: v1.2
class: CommandLineTool
label: "Limits without machine learning"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, baselines]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  events: {type: Directory, inputBinding: {position: 3, prefix: "--events"}}
arguments:
  - {position: 4, prefix: "--out", valueFrom: "baselines.$(inputs.job)"}
outputs:
  baseline: {type: Directory, outputBinding: {glob: "baselines.$(inputs.job)"}}

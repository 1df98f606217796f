cwlVersion: v1.2
class: CommandLineTool
label: "Closure tests and limits of the estimators"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, evaluate]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  events: {type: Directory, inputBinding: {position: 3, prefix: "--events"}}
  model: {type: Directory, inputBinding: {position: 4, prefix: "--model"}}
arguments:
  - {position: 5, prefix: "--out", valueFrom: "evaluate.$(inputs.job)"}
outputs:
  limits: {type: Directory, outputBinding: {glob: "evaluate.$(inputs.job)"}}

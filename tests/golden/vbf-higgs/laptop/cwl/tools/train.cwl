cwlVersion: v1.2
class: CommandLineTool
label: "Train the estimators"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, train]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  samples: {type: "Directory[]", inputBinding: {position: 3, prefix: "--samples"}}
arguments:
  - {position: 4, prefix: "--out", valueFrom: "train.$(inputs.job)"}
outputs:
  model: {type: Directory, outputBinding: {glob: "train.$(inputs.job)"}}

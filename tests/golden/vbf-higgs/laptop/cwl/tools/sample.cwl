cwlVersion: v1.2
class: CommandLineTool
label: "Draw training and validation samples"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, sample]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  events: {type: Directory, inputBinding: {position: 3, prefix: "--events"}}
arguments:
  - {position: 4, prefix: "--out", valueFrom: "sample.$(inputs.job)"}
outputs:
  samples: {type: Directory, outputBinding: {glob: "sample.$(inputs.job)"}}

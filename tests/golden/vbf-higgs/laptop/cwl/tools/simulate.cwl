cwlVersion: v1.2
class: CommandLineTool
label: "Generate events, weight each at every benchmark"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, simulate]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  setup: {type: Directory, inputBinding: {position: 3, prefix: "--setup"}}
  process: {type: "Directory[]", inputBinding: {position: 4, prefix: "--process"}}
arguments:
  - {position: 5, prefix: "--out", valueFrom: "simulate.$(inputs.job)"}
outputs:
  events: {type: Directory, outputBinding: {glob: "simulate.$(inputs.job)"}}

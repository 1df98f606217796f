cwlVersion: v1.2
class: CommandLineTool
label: "Read events: detector resolution, observables, cuts, efficiencies"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, analyse]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  setup: {type: Directory, inputBinding: {position: 3, prefix: "--setup"}}
  events: {type: Directory, inputBinding: {position: 4, prefix: "--events"}}
arguments:
  - {position: 5, prefix: "--out", valueFrom: "analyse.$(inputs.job)"}
outputs:
  analysed: {type: Directory, outputBinding: {glob: "analyse.$(inputs.job)"}}

cwlVersion: v1.2
class: CommandLineTool
label: "Integrate the cross section of each process at each sampled benchmark"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, generate]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  setup: {type: Directory, inputBinding: {position: 3, prefix: "--setup"}}
arguments:
  - {position: 4, prefix: "--out", valueFrom: "generate.$(inputs.job)"}
outputs:
  process: {type: Directory, outputBinding: {glob: "generate.$(inputs.job)"}}

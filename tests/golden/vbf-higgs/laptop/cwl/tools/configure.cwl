cwlVersion: v1.2
class: CommandLineTool
label: "Set up parameters, benchmarks and the morphing basis"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, configure]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
arguments:
  - {position: 3, prefix: "--out", valueFrom: configure}
outputs:
  setup: {type: Directory, outputBinding: {glob: configure}}

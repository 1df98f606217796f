cwlVersion: v1.2
class: CommandLineTool
label: "Generate the code of each process"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, generate]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
arguments:
  - {position: 3, prefix: "--out", valueFrom: "generate.$(inputs.job)"}
outputs:
  process: {type: Directory, outputBinding: {glob: "generate.$(inputs.job)"}}

cwlVersion: v1.2
class: CommandLineTool
label: "Combine and shuffle all events"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, combine]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  setup: {type: Directory, inputBinding: {position: 3, prefix: "--setup"}}
  analysed: {type: "Directory[]", inputBinding: {position: 4, prefix: "--analysed"}}
arguments:
  - {position: 5, prefix: "--out", valueFrom: combine}
outputs:
  events: {type: Directory, outputBinding: {glob: combine}}

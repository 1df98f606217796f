cwlVersion: v1.2
class: CommandLineTool
label: "Tables and pictures of the results"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, report]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  events: {type: Directory, inputBinding: {position: 3, prefix: "--events"}}
  model: {type: "Directory[]", inputBinding: {position: 4, prefix: "--model"}}
  limits: {type: "Directory[]", inputBinding: {position: 5, prefix: "--limits"}}
  baseline: {type: "Directory[]", inputBinding: {position: 6, prefix: "--baseline"}}
arguments:
  - {position: 7, prefix: "--out", valueFrom: report}
outputs:
  report: {type: Directory, outputBinding: {glob: report}}

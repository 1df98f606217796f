cwlVersion: v1.2
class: CommandLineTool
label: "Simulate the detector"
requirements:
  ResourceRequirement: {coresMin: 1}
baseCommand: [mmc, step, detect]
inputs:
  config: {type: File, inputBinding: {position: 1, prefix: "--config"}}
  job: {type: string, inputBinding: {position: 2, prefix: "--job"}}
  events: {type: Directory, inputBinding: {position: 3, prefix: "--events"}}
arguments:
  - {position: 4, prefix: "--out", valueFrom: "detect.$(inputs.job)"}
outputs:
  detected: {type: Directory, outputBinding: {glob: "detect.$(inputs.job)"}}

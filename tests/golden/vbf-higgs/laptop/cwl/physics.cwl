cwlVersion: v1.2
class: Workflow
label: physics
requirements:
  ScatterFeatureRequirement: {}
inputs:
  configure_config: File
  generate_config: File
  generate_jobs: "string[]"
  simulate_config: File
  simulate_jobs: "string[]"
  analyse_config: File
  analyse_jobs: "string[]"
  combine_config: File
outputs:
  combine_events: {type: Directory, outputSource: combine/events}
steps:
  configure:
    run: tools/configure.cwl
    in:
      config: configure_config
      job: {default: configure}
    out: [setup]
  generate:
    run: tools/generate.cwl
    scatter: [job]
    scatterMethod: dotproduct
    in:
      config: generate_config
      job: generate_jobs
      setup: configure/setup
    out: [process]
  simulate:
    run: tools/simulate.cwl
    scatter: [job]
    scatterMethod: dotproduct
    in:
      config: simulate_config
      job: simulate_jobs
      setup: configure/setup
      process: generate/process
    out: [events]
  analyse:
    run: tools/analyse.cwl
    scatter: [job, events]
    scatterMethod: dotproduct
    in:
      config: analyse_config
      job: analyse_jobs
      setup: configure/setup
      events: simulate/events
    out: [analysed]
  combine:
    run: tools/combine.cwl
    in:
      config: combine_config
      job: {default: combine}
      setup: configure/setup
      analysed: analyse/analysed
    out: [events]

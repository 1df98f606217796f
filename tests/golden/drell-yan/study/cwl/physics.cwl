cwlVersion: v1.2
class: Workflow
label: physics
requirements:
  ScatterFeatureRequirement: {}
inputs:
  configure_config: File
  generate_config: File
  simulate_config: File
  analyse_config: File
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
      job: {default: [signal.sm, signal.ll_plus, signal.ll_minus, signal.lr_plus, signal.lr_minus, signal.both]}
      setup: configure/setup
    out: [process]
  simulate:
    run: tools/simulate.cwl
    scatter: [job]
    scatterMethod: dotproduct
    in:
      config: simulate_config
      job:
        default:
          - signal.sm.0
          - signal.sm.1
          - signal.sm.2
          - signal.sm.3
          - signal.ll_plus.0
          - signal.ll_minus.0
          - signal.lr_plus.0
          - signal.lr_minus.0
          - signal.both.0
      setup: configure/setup
      process: generate/process
    out: [events]
  analyse:
    run: tools/analyse.cwl
    scatter: [job, events]
    scatterMethod: dotproduct
    in:
      config: analyse_config
      job:
        default:
          - signal.sm.0
          - signal.sm.1
          - signal.sm.2
          - signal.sm.3
          - signal.ll_plus.0
          - signal.ll_minus.0
          - signal.lr_plus.0
          - signal.lr_minus.0
          - signal.both.0
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

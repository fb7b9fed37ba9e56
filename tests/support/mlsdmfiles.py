"""Configuration files as people have them who come from MLSDM: one text for each dialect."""

DOCUMENTS = """\
mlsdm:
  dimension: 256
  capacity: 15000
  wake_duration: 10
  sleep_duration: 4
  initial_threshold: 0.45
llm:
  provider: openai
  model: gpt-3.5-turbo
  max_tokens: 1024
  temperature: 0.3
embeddings:
  provider: sentence-transformers
  model: all-MiniLM-L6-v2
  dimension: 256
api:
  port: 8080
  workers: 4
  timeout: 25
  cors_origins:
    - https://pages.example
logging:
  level: WARNING
  format: text
  file: app.log
monitoring:
  enabled: true
  metrics_port: 9191
  health_check_interval: 30
"""

PRODUCTION_READY = """\
dimension: 384
capacity: 20000
cognitive_rhythm:
  wake_duration: 8
  sleep_duration: 3
  enable_consolidation: true
moral_filter:
  initial_threshold: 0.50
  min: 0.30
  max: 0.90
  ema_alpha: 0.10
  adaptation_rate: 0.05
memory:
  level1: {decay_lambda: 0.990}
  level2: {decay_lambda: 0.995}
  level3: {decay_lambda: 0.999}
qilm:
  phase_tolerance: 0.1
  enable_corruption_detection: true
  checksum: true
security:
  rate_limiting:
    enabled: true
    requests_per_second: 5.0
    burst_capacity: 10
    cleanup_interval: 300
  auth:
    enabled: false
  validation:
    max_vector_size: 100000
    moral_value_min: 0.0
    moral_value_max: 1.0
    reject_nan: true
    reject_inf: true
observability:
  logging: {level: INFO, format: json, structured: true, include_request_id: true}
  metrics: {enabled: true, port: 9090, histograms: true, counters: true}
  tracing: {enabled: false}
performance:
  max_workers: 4
  worker_timeout: 30
  cache: {enabled: false, ttl: 300, max_size: 1000}
  connection_pool: {min: 10, max: 100, timeout: 5}
resources:
  max_memory_mb: 2048
  memory_warning_threshold: 0.85
  cpu_limit_percent: 80
  shutdown_timeout: 30
  drain_period: 5
features:
  sleep_consolidation: true
  phase_retrieval: true
  corruption_recovery: true
  metrics_export: true
  health_checks: true
  graceful_shutdown: true
development:
  security: {rate_limiting: {enabled: false}}
  observability: {logging: {level: DEBUG}}
staging:
  observability: {logging: {level: INFO}}
production:
  security: {auth: {enabled: true}}
  observability: {tracing: {enabled: true}}
"""

RELEASES = """\
dimension: 10
multi_level_memory:
  lambda_l1: 0.4
  lambda_l2: 0.2
  lambda_l3: 0.02
  theta_l1: 1.0
  theta_l2: 2.0
  gating12: 0.5
  gating23: 0.3
moral_filter: {threshold: 0.55, adapt_rate: 0.04, min: 0.35, max: 0.85}
ontology_matcher:
  ontology_vectors: [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
  ontology_labels: [one]
cognitive_rhythm: {wake_duration: 5, sleep_duration: 2}
aphasia: {detect_enabled: true, repair_enabled: false, severity_threshold: 0.4}
neurolang: {mode: disabled, checkpoint_path: null}
neuro_hybrid: {enable_hybrid: false, learning: false, regime: false, module_overrides: {}}
pelm: {capacity: 3000, phase_tolerance: 0.2}
synergy_experience: {epsilon: 0.1, neutral_tolerance: 0.01, min_trials: 3, ema_alpha: 0.2}
cognitive_controller: {auto_recovery_enabled: true, auto_recovery_cooldown_seconds: 60}
api:
  request_timeout_seconds: 12.5
  max_concurrent_requests: 100
  queue_timeout_seconds: 5.0
  priority: {enabled: true, default_priority: normal, weights: {high: 3, normal: 2, low: 1}}
strict_mode: false
drift_logging: null
"""

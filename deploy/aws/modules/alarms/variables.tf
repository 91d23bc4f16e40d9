variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "environment" {
  description = "Value of the dimension Environment."
  type        = string
}

variable "metric_namespace" {
  description = "Namespace of metrics in CloudWatch."
  type        = string
  default     = "Grandstand"
}

variable "kms_key_arn" {
  description = "Key of the topics."
  type        = string
}

variable "email" {
  description = "Address that is told; empty: none."
  type        = string
  default     = ""
}

variable "groups" {
  description = "Auto-scaling groups by part."
  type        = map(string)
}

variable "nats_instances" {
  description = "Instances of NATS by name."
  type        = map(string)
}

variable "front" {
  description = "The balancer for TCP and its target group, as the suffixes of their ARNs; null: none."
  type        = object({ balancer = string, target_group = string })
  default     = null
}

variable "database" {
  description = "Identifier of the archive's database; empty: none."
  type        = string
  default     = ""
}

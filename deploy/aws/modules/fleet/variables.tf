variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "environment" {
  description = "Value of the dimension Environment of metrics, for example production."
  type        = string
}

variable "part" {
  description = "What runs: edge or worker."
  type        = string
  validation {
    condition     = contains(["edge", "worker"], var.part)
    error_message = "`part` must be edge or worker."
  }
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "account_id" {
  description = "Account of the provider."
  type        = string
}

variable "partition" {
  description = "Partition of the provider: aws, aws-cn, aws-us-gov."
  type        = string
  default     = "aws"
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
}

variable "security_group_id" {
  description = "The group of the part."
  type        = string
}

variable "target_group_arns" {
  description = "Target groups in which instances register."
  type        = list(string)
  default     = []
}

variable "image_id" {
  description = "Image of Debian 13; empty: the newest one."
  type        = string
  default     = ""
}

variable "architecture" {
  description = "amd64 or arm64; it must fit the type of instances and the package."
  type        = string
  default     = "amd64"
}

variable "instance_type" {
  description = "Type of instances."
  type        = string
}

variable "min_size" {
  description = "Least instances."
  type        = number
}

variable "max_size" {
  description = "Most instances."
  type        = number
}

variable "package" {
  description = "The Debian package of Grandstand, as s3://bucket/key."
  type        = string
}

variable "config" {
  description = "The configuration, as TOML, without secrets."
  type        = string
}

variable "secret_arn" {
  description = "Secret with variables of the environment, as a JSON object; among them the address of NATS with its login."
  type        = string
}

variable "certificate_secret_arn" {
  description = "Secret with certificate and key, as a JSON object; empty: none."
  type        = string
  default     = ""
}

variable "kms_key_arn" {
  description = "Key of secrets and logs."
  type        = string
}

variable "metric_namespace" {
  description = "Namespace of metrics in CloudWatch."
  type        = string
  default     = "Grandstand"
}

variable "drain_s" {
  description = "How long a drain takes at most, with reserve."
  type        = number
}

variable "max_connections" {
  description = "limits.connections of an edge, by which edges are scaled; 0: not."
  type        = number
  default     = 0
}

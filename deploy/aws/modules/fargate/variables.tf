variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "part" {
  description = "The subcommand of the program: edge, worker, archive or outlet."
  type        = string
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "image" {
  description = "The image, by tag or digest."
  type        = string
}

variable "repository_arn" {
  description = "Its repository."
  type        = string
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one CPU."
  type        = number
  default     = 1024
}

variable "memory" {
  description = "MiB of a task."
  type        = number
  default     = 2048
}

variable "environment" {
  description = "The configuration, as variables."
  type        = map(string)
}

variable "secret_arn" {
  description = "Secret with further variables, as a JSON object."
  type        = string
}

variable "secret_keys" {
  description = "These variables."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key of the secret and the log."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one in each zone."
  type        = list(string)
}

variable "security_group_id" {
  description = "The group of the part."
  type        = string
}

variable "ports" {
  description = "Ports of the container."
  type        = list(number)
  default     = []
}

variable "targets" {
  description = "Target groups with the port that they send to."
  type        = list(object({ arn = string, port = number }))
  default     = []
}

variable "min_count" {
  description = "Least tasks."
  type        = number
}

variable "max_count" {
  description = "Most tasks."
  type        = number
}

variable "drain_s" {
  description = "How long a drain takes at most, with reserve; at most 120."
  type        = number
}

variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "region" {
  description = "Region of the provider."
  type        = string
}

variable "cidr" {
  description = "Network of the VPC, a /16."
  type        = string
  validation {
    condition     = can(cidrsubnet(var.cidr, 8, 0)) && endswith(var.cidr, "/16")
    error_message = "`cidr` must be an IPv4 network with /16, for example 10.0.0.0/16."
  }
}

variable "kms_key_arn" {
  description = "Key of the log of refused packets."
  type        = string
}

variable "zones" {
  description = "Three availability zones; empty: the first three. Set them, so that a further zone of AWS moves no subnet."
  type        = list(string)
  default     = []
  validation {
    condition     = contains([0, 3], length(var.zones))
    error_message = "`zones` must name three availability zones, or none."
  }
}
